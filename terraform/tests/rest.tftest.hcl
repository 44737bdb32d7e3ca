# The bucket, the images, the network, alarms and the budget.

mock_provider "aws" {
  source          = "./tests/aws"
  override_during = plan
}

variables {
  image_tag = "v1"
}

run "defaults" {
  command = plan

  # --- the bucket ---

  assert {
    condition     = aws_s3_bucket.store.bucket == "cloudfolio-123456789012-eu-central-1" && !aws_s3_bucket.store.force_destroy
    error_message = "the bucket's name, and that it isn't deleted with its data"
  }
  assert {
    condition     = aws_s3_bucket_public_access_block.store.block_public_acls && aws_s3_bucket_public_access_block.store.block_public_policy && aws_s3_bucket_public_access_block.store.ignore_public_acls && aws_s3_bucket_public_access_block.store.restrict_public_buckets
    error_message = "nothing public"
  }
  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.store.rule).apply_server_side_encryption_by_default).sse_algorithm == "AES256"
    error_message = "encrypted"
  }
  assert {
    condition     = jsondecode(aws_s3_bucket_policy.store[0].policy).Statement[0].Condition == { Bool = { "aws:SecureTransport" = "false" } } && jsondecode(aws_s3_bucket_policy.store[0].policy).Statement[0].Effect == "Deny"
    error_message = "plain http is refused"
  }
  assert {
    condition = alltrue([
      for r in aws_s3_bucket_lifecycle_configuration.store.rule : length(r.expiration) == 0 || r.filter[0].prefix == "probe/"
    ])
    error_message = "no rule may delete by age what versions refer to"
  }
  assert {
    condition     = anytrue([for r in aws_s3_bucket_lifecycle_configuration.store.rule : try(r.abort_incomplete_multipart_upload[0].days_after_initiation, 0) == 1])
    error_message = "uploads that nobody finished go after a day"
  }

  assert {
    condition     = aws_s3_object.contract.key == "cloudfolio.json" && aws_s3_object.contract.content == "{\"conditional_create\":true,\"contract\":1}"
    error_message = "the store's own file, to the byte"
  }

  # --- images ---

  assert {
    condition     = keys(aws_ecr_repository.image) == ["cloudfolio", "orchestrate", "sync", "train"] && alltrue([for r in aws_ecr_repository.image : r.image_tag_mutability == "IMMUTABLE" && !r.force_delete])
    error_message = "a repository an image, whose tags stay what they are"
  }

  # --- the network ---

  assert {
    condition     = length(aws_subnet.public) == 3 && length(aws_vpc.own) == 1 && aws_vpc_endpoint.s3[0].vpc_endpoint_type == "Gateway"
    error_message = "three public subnets, and S3 at no cost"
  }
  assert {
    condition     = aws_vpc_security_group_egress_rule.https.from_port == 443 && aws_vpc_security_group_egress_rule.https.to_port == 443 && length(aws_security_group.jobs.ingress) == 0
    error_message = "https out, nothing in"
  }
  assert {
    condition     = alltrue([for j in ["sync", "orchestrate", "train", "collect"] : jsondecode(aws_batch_job_definition.job[j].container_properties).networkConfiguration.assignPublicIp == "ENABLED"])
    error_message = "without NAT, containers need addresses of their own"
  }

  # --- alarms ---

  assert {
    condition     = length(aws_sns_topic_subscription.email) == 0 && length(aws_cloudwatch_metric_alarm.tenant) == 0
    error_message = "nobody is written to, no alarm a tenant, unless asked for"
  }
  assert {
    condition = { for k, r in aws_cloudwatch_event_rule.trouble : k => jsondecode(r.event_pattern) } == {
      failed = {
        source      = ["aws.batch"]
        detail-type = ["Batch Job State Change"]
        detail = {
          jobQueue = [for q in ["cpu", "gpu"] : "arn:aws:batch:eu-central-1:123456789012:job-queue/cloudfolio-${q}"]
          status   = ["FAILED"]
        }
      }
      blocked = {
        source      = ["aws.batch"]
        detail-type = ["Batch Job Queue Blocked"]
        detail = {
          jobQueue = [for q in ["cpu", "gpu"] : "arn:aws:batch:eu-central-1:123456789012:job-queue/cloudfolio-${q}"]
        }
      }
    }
    error_message = "jobs of these queues that failed, and queues that wait for capacity"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.sync_silent.treat_missing_data == "breaching" && aws_cloudwatch_metric_alarm.sync_silent.period == 86400
    error_message = "a day without a sync is an alarm"
  }
  assert {
    condition = alltrue([
      for a in concat(values(aws_cloudwatch_metric_alarm.trouble), [aws_cloudwatch_metric_alarm.dead_letters, aws_cloudwatch_metric_alarm.sync_silent, aws_cloudwatch_metric_alarm.github]) :
      a.alarm_actions == toset([aws_sns_topic.alarms.arn])
    ])
    error_message = "every alarm is told"
  }
  assert {
    condition     = length(aws_cloudwatch_metric_alarm.trouble) + 3 <= 10
    error_message = "ten alarms cost nothing"
  }
  assert {
    condition     = aws_budgets_budget.month.limit_amount == "10" && length(aws_budgets_budget.month.notification) == 2
    error_message = "the budget"
  }
  assert {
    condition     = alltrue([for g in aws_cloudwatch_log_group.job : g.retention_in_days == 30])
    error_message = "logs are not kept for ever"
  }
  assert {
    condition     = can(jsondecode(aws_cloudwatch_dashboard.main.dashboard_body)) && length(jsondecode(aws_cloudwatch_dashboard.main.dashboard_body).widgets) == 6
    error_message = "the dashboard"
  }

  # --- commands ---

  assert {
    condition     = output.kick_sync == "aws batch submit-job --region eu-central-1 --job-name \"sync-$TENANT\" --job-queue cloudfolio-cpu --job-definition cloudfolio-sync:3 --share-identifier operator --container-overrides \"command=--tenant,$TENANT\""
    error_message = "a manual kick of sync"
  }
  assert {
    condition     = strcontains(output.kick_train_gpu, "--job-queue cloudfolio-gpu ") && strcontains(output.kick_collect, "\"command=gc,--keep-runs,35\"") && strcontains(output.kick_orchestrate, "cloudfolio-orchestrate:3") && strcontains(output.kick_train, "--job-queue cloudfolio-cpu --job-definition cloudfolio-train:3")
    error_message = "manual kicks of the other jobs"
  }
  assert {
    condition     = output.set_token == "aws ssm put-parameter --region eu-central-1 --type SecureString --overwrite --name \"/cloudfolio/tenants/$TENANT/github-token\" --value \"$GITHUB_TOKEN\"" && output.store == "s3://cloudfolio-123456789012-eu-central-1"
    error_message = "where tokens and the store are"
  }
}

run "existing_network" {
  command = plan

  variables {
    network = { vpc_id = "vpc-0123456789abcdef0", subnet_ids = ["subnet-0123456789abcdef0"] }
  }

  assert {
    condition     = length(aws_vpc.own) + length(aws_subnet.public) + length(aws_vpc_endpoint.s3) + length(aws_internet_gateway.own) + length(aws_route_table.public) + length(aws_default_security_group.own) == 0
    error_message = "no network is made"
  }
  assert {
    condition     = aws_security_group.jobs.vpc_id == "vpc-0123456789abcdef0" && alltrue([for c in aws_batch_compute_environment.gpu : c.compute_resources[0].subnets == toset(["subnet-0123456789abcdef0"])])
    error_message = "the given one is used"
  }
  assert {
    condition     = jsondecode(aws_batch_job_definition.job["sync"].container_properties).networkConfiguration.assignPublicIp == "DISABLED"
    error_message = "no public addresses unless asked for"
  }
}

run "chosen" {
  command = plan

  variables {
    alarm_email     = "ops@example.com"
    watched_tenants = ["octocat", "torvalds"]
    budget          = 250
    tags            = { team = "platform" }
    delete_data     = true
    enforce_tls     = false
  }

  assert {
    condition     = aws_sns_topic_subscription.email[0].endpoint == "ops@example.com" && aws_budgets_budget.month.limit_amount == "250"
    error_message = "alarm_email, budget"
  }

  assert {
    condition = { for k, a in aws_cloudwatch_metric_alarm.tenant : k => a.dimensions } == {
      octocat = tomap({ job = "sync", tenant = "octocat" }), torvalds = tomap({ job = "sync", tenant = "torvalds" })
    }
    error_message = "an alarm for each that is watched"
  }

  assert {
    condition = alltrue([
      for r in concat([aws_s3_bucket.store, aws_batch_job_queue.cpu, aws_sqs_queue.dead_letters, aws_sns_topic.alarms, aws_sfn_state_machine.dispatch, aws_launch_template.gpu, aws_budgets_budget.month], values(aws_batch_job_definition.job), values(aws_iam_role.store), values(aws_cloudwatch_log_group.job)) :
      r.tags.team == "platform" && r.tags.cloudfolio == "cloudfolio"
    ])
    error_message = "tags"
  }

  assert {
    condition     = aws_s3_bucket.store.force_destroy && alltrue([for r in aws_ecr_repository.image : r.force_delete])
    error_message = "delete_data"
  }

  assert {
    condition     = length(aws_s3_bucket_policy.store) == 0
    error_message = "enforce_tls"
  }
}
