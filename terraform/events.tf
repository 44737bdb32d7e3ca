# What starts by a new version in the bucket: repos → orchestrate, request → train, request-gpu → train on a GPU.
#
# A rule could submit to Batch itself, but can't name the job's share, without which a queue with fair shares takes no job,
# and can't cut the tenant out of the key. So the rules start a state machine of one step that does (Express: $1 a million).

locals {
  # The key of a version's marker; blobs lie below b/ and start nothing.
  events = {
    repos       = { job = "orchestrate", queue = "cpu" }
    request     = { job = "train", queue = "cpu" }
    request-gpu = { job = "train-gpu", queue = "gpu" }
  }
  queues = {
    cpu = aws_batch_job_queue.cpu.arn
    gpu = aws_batch_job_queue.gpu.arn
  }
}

resource "aws_cloudwatch_event_rule" "version" {
  for_each    = local.events
  name        = "${var.name}-${each.key}"
  description = "CloudFolio: a new version of ${each.key} starts ${each.value.job}"
  tags        = local.tags

  event_pattern = jsonencode({
    source      = ["aws.s3"]
    detail-type = ["Object Created"]
    detail = {
      bucket = { name = [local.bucket] }
      object = { key = [{ wildcard = "tenants/*/${each.key}/v/*" }] }
    }
  })
}

resource "aws_cloudwatch_event_target" "version" {
  for_each  = local.events
  rule      = aws_cloudwatch_event_rule.version[each.key].name
  target_id = "dispatch"
  arn       = aws_sfn_state_machine.dispatch.arn
  role_arn  = aws_iam_role.service["events"].arn

  input_transformer {
    input_paths = { key = "$.detail.object.key" }
    # <key> is put in with its quotes.
    input_template = "{\"job\":\"${each.value.job}\",\"queue\":\"${local.queues[each.value.queue]}\",\"definition\":\"${aws_batch_job_definition.job[each.value.job].arn}\",\"key\":<key>}"
  }

  retry_policy {
    maximum_event_age_in_seconds = 86400
    maximum_retry_attempts       = 185
  }

  dead_letter_config {
    arn = aws_sqs_queue.dead_letters.arn
  }
}

# Shares are alphanumeric and at most 500 can be active in a queue, while tenants have hyphens and are many. So a share is
# the first two digits of the tenant's hash: 256 of them, each of one tenant as long as there are few.
resource "aws_sfn_state_machine" "dispatch" {
  name     = "${var.name}-dispatch"
  type     = "EXPRESS"
  role_arn = aws_iam_role.service["dispatch"].arn
  tags     = local.tags

  definition = jsonencode({
    Comment       = "Submits the job that a new version calls for, in its tenant's share"
    QueryLanguage = "JSONata"
    StartAt       = "Submit"
    States = {
      Submit = {
        Type     = "Task"
        Resource = "arn:${local.partition}:states:::batch:submitJob"
        Arguments = {
          JobName            = "{% $states.input.job & '-' & $split($states.input.key, '/')[1] %}"
          JobQueue           = "{% $states.input.queue %}"
          JobDefinition      = "{% $states.input.definition %}"
          ShareIdentifier    = "{% 't' & $substring($hash($split($states.input.key, '/')[1], 'MD5'), 0, 2) %}"
          ContainerOverrides = { Command = ["--event", "{% $states.input.key %}"] }
        }
        # Batch takes 50 jobs a second; an Express run lasts 5 minutes at most.
        Retry = [{
          ErrorEquals     = ["States.ALL"]
          IntervalSeconds = 2
          BackoffRate     = 2
          MaxDelaySeconds = 60
          MaxAttempts     = 7
          JitterStrategy  = "FULL"
        }]
        Catch = [{
          ErrorEquals = ["States.ALL"]
          Output      = { input = "{% $states.input %}", error = "{% $states.errorOutput %}" }
          Next        = "DeadLetter"
        }]
        End = true
      }
      DeadLetter = {
        Type     = "Task"
        Resource = "arn:${local.partition}:states:::sqs:sendMessage"
        Arguments = {
          QueueUrl    = aws_sqs_queue.dead_letters.url
          MessageBody = "{% $states.input %}"
        }
        End = true
      }
    }
  })

  depends_on = [aws_iam_role_policy.service]
}

# What couldn't be delivered or submitted. README.md says what to do with it.
resource "aws_sqs_queue" "dead_letters" {
  name                      = "${var.name}-dead-letters"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
  tags                      = local.tags
}

resource "aws_sqs_queue_policy" "dead_letters" {
  queue_url = aws_sqs_queue.dead_letters.url
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "EventsOfTheseRules"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = local.dead_letters_arn
      Condition = { ArnEquals = { "aws:SourceArn" = [for k in sort(keys(local.events)) : "arn:${local.partition}:events:${local.region}:${local.account}:rule/${var.name}-${k}"] } }
    }]
  })
}
