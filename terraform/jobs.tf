# What runs: one definition a job. Which tenants it works on is said when it is submitted, in its command.

locals {
  jobs = {
    sync        = { image = "sync", role = "sync", vcpu = "0.25", memory = "512", minutes = 60 }
    orchestrate = { image = "orchestrate", role = "orchestrate", vcpu = "0.25", memory = "512", minutes = 60 }
    train       = { image = "train", role = "train", vcpu = "1", memory = "2048", minutes = 120 }
    train-gpu   = { image = "train", role = "train", vcpu = "4", memory = "14000", minutes = 720 }
    collect     = { image = "cloudfolio", role = "collector", vcpu = "0.25", memory = "512", minutes = 360 }
  }

  environment = merge({
    AWS_REGION       = local.region
    CLOUDFOLIO_STORE = "s3://${local.bucket}"
    CLOUDFOLIO_LOG   = "json"
  }, var.environment)

  # Every job can be killed and run again at any moment, so what went wrong outside of it is tried again. The order
  # counts; what matches nothing would be retried, so the last rule ends all else: usage and bad input (64, 65), bugs
  # (70), permissions (77), configuration (78), and images that aren't there.
  attempts = 3
  retries = [
    { on_exit_code = "69" },                                 # a service is down
    { on_exit_code = "75" },                                 # a lost race, a limit, or SIGTERM, which Spot sends first
    { on_status_reason = "Host EC2*" },                      # the host failed, or Spot reclaimed it
    { on_status_reason = "Your Spot Task was interrupted*" } # Fargate Spot reclaimed it
  ]
}

resource "aws_cloudwatch_log_group" "job" {
  for_each          = local.jobs
  name              = "/${var.name}/${each.key}"
  retention_in_days = var.log_days
  tags              = local.tags
}

resource "aws_batch_job_definition" "job" {
  for_each              = local.jobs
  name                  = "${var.name}-${each.key}"
  type                  = "container"
  platform_capabilities = [each.key == "train-gpu" ? "EC2" : "FARGATE"]
  scheduling_priority   = 1
  propagate_tags        = true
  tags                  = local.tags

  container_properties = jsonencode(merge(
    {
      image                  = "${aws_ecr_repository.image[each.value.image].repository_url}:${var.image_tag}"
      command                = []
      jobRoleArn             = aws_iam_role.store[each.value.role].arn
      executionRoleArn       = aws_iam_role.service["execution"].arn
      user                   = "65532"
      readonlyRootFilesystem = true
      resourceRequirements = concat(
        [{ type = "VCPU", value = each.value.vcpu }, { type = "MEMORY", value = each.value.memory }],
        [for n in ["1"] : { type = "GPU", value = n } if each.key == "train-gpu"],
      )
      environment = [
        for k, v in merge(
          local.environment,
          { for t in ["ssm:${local.token_parameter}"] : "CLOUDFOLIO_GITHUB_TOKENS" => t if each.key == "sync" },
        ) : { name = k, value = v }
      ]
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = aws_cloudwatch_log_group.job[each.key].name
          awslogs-region        = local.region
          awslogs-stream-prefix = each.key
        }
      }
    },
    # Fargate's own settings, which EC2 refuses, and the other way round.
    { for k, v in {
      networkConfiguration         = { assignPublicIp = local.public_ip ? "ENABLED" : "DISABLED" }
      fargatePlatformConfiguration = { platformVersion = "LATEST" }
      runtimePlatform              = { cpuArchitecture = "X86_64", operatingSystemFamily = "LINUX" }
    } : k => v if each.key != "train-gpu" },
    { for k, v in { privileged = false } : k => v if each.key == "train-gpu" },
  ))

  retry_strategy {
    attempts = local.attempts

    dynamic "evaluate_on_exit" {
      for_each = local.retries
      content {
        action           = "RETRY"
        on_exit_code     = try(evaluate_on_exit.value.on_exit_code, null)
        on_status_reason = try(evaluate_on_exit.value.on_status_reason, null)
      }
    }
    evaluate_on_exit {
      action    = "EXIT"
      on_reason = "*"
    }
  }

  timeout {
    attempt_duration_seconds = each.value.minutes * 60
  }
}
