# What AWS's own services may do here: pull images and write logs, submit the jobs, deliver events. None of them reads
# or writes the bucket.

locals {
  services = {
    # ECS, before a container starts
    execution = {
      principal = "ecs-tasks.amazonaws.com"
      statements = [
        {
          Sid      = "Login"
          Effect   = "Allow"
          Action   = ["ecr:GetAuthorizationToken"]
          Resource = ["*"] # ECR knows no narrower one
        },
        {
          Sid      = "Pull"
          Effect   = "Allow"
          Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
          Resource = ["arn:${local.partition}:ecr:${local.region}:${local.account}:repository/${var.name}/*"]
        },
        {
          Sid      = "Log"
          Effect   = "Allow"
          Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
          Resource = [for j in keys(local.jobs) : "${local.logs_arn}:log-group:/${var.name}/${j}:*"]
        },
      ]
    }

    # EventBridge Scheduler
    schedule = {
      principal = "scheduler.amazonaws.com"
      statements = [
        local.submit,
        local.dead_letter,
      ]
    }

    # the state machine that submits a job for an event
    dispatch = {
      principal = "states.amazonaws.com"
      statements = [
        local.submit,
        local.dead_letter,
      ]
    }

    # EventBridge, to start that
    events = {
      principal = "events.amazonaws.com"
      statements = [
        {
          Sid      = "Dispatch"
          Effect   = "Allow"
          Action   = ["states:StartExecution"]
          Resource = [local.dispatch_arn]
        },
      ]
    }
  }

  submit = {
    Sid    = "Submit"
    Effect = "Allow"
    Action = ["batch:SubmitJob"]
    Resource = concat(
      [for q in ["cpu", "gpu"] : "${local.batch_arn}:job-queue/${var.name}-${q}"],
      [for j in keys(local.jobs) : "${local.batch_arn}:job-definition/${var.name}-${j}:*"],
    )
  }
  dead_letter = {
    Sid      = "DeadLetters"
    Effect   = "Allow"
    Action   = ["sqs:SendMessage"]
    Resource = [local.dead_letters_arn]
  }

  dispatch_arn     = "arn:${local.partition}:states:${local.region}:${local.account}:stateMachine:${var.name}-dispatch"
  dead_letters_arn = "arn:${local.partition}:sqs:${local.region}:${local.account}:${var.name}-dead-letters"
}

resource "aws_iam_role" "service" {
  for_each    = local.services
  name        = "${var.name}-${each.key}"
  description = "CloudFolio: ${each.key}"
  tags        = local.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyForThisAccount"
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = each.value.principal }
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })
}

resource "aws_iam_role_policy" "service" {
  for_each = local.services
  name     = each.key
  role     = aws_iam_role.service[each.key].id
  policy   = jsonencode({ Version = "2012-10-17", Statement = each.value.statements })
}

# GPU instances join the cluster that Batch makes for them, under a name that isn't known here: AWS's own policy for that.
# Containers don't get at this role (batch.tf, the launch template).
resource "aws_iam_role" "instance" {
  name        = "${var.name}-instance"
  description = "CloudFolio: the ECS agent on GPU instances"
  tags        = local.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Instances"
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "instance" {
  role       = aws_iam_role.instance.name
  policy_arn = "arn:${local.partition}:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
}

resource "aws_iam_instance_profile" "instance" {
  name = "${var.name}-instance"
  role = aws_iam_role.instance.name
  tags = local.tags
}
