# What starts what: schedules, rules, the state machine, and what is left when that fails.

mock_provider "aws" {
  source          = "./tests/aws"
  override_during = plan
}

variables {
  image_tag = "v1"
}

run "defaults" {
  command = plan

  assert {
    condition     = aws_s3_bucket_notification.store.eventbridge
    error_message = "the bucket tells EventBridge"
  }
  assert {
    condition = { for k, r in aws_cloudwatch_event_rule.version : k => jsondecode(r.event_pattern) } == {
      for d in ["repos", "request", "request-gpu"] : d => {
        source      = ["aws.s3"]
        detail-type = ["Object Created"]
        detail = {
          bucket = { name = ["cloudfolio-123456789012-eu-central-1"] }
          object = { key = [{ wildcard = "tenants/*/${d}/v/*" }] }
        }
      }
    }
    error_message = "markers of the three datasets in this bucket, and nothing else"
  }
  assert {
    condition = { for k, t in aws_cloudwatch_event_target.version : k => regex("\"job\":\"([a-z-]+)\"", t.input_transformer[0].input_template)[0] } == {
      repos = "orchestrate", request = "train", request-gpu = "train-gpu"
    }
    error_message = "which dataset starts which job"
  }
  assert {
    condition     = { for k, e in local.events : k => e.queue } == { repos = "cpu", request = "cpu", request-gpu = "gpu" }
    error_message = "large trainings alone go to instances"
  }
  assert {
    condition = alltrue([
      for t in aws_cloudwatch_event_target.version : t.input_transformer[0].input_paths == tomap({ key = "$.detail.object.key" })
      && can(jsondecode(replace(t.input_transformer[0].input_template, "<key>", "\"k\"")))
      && t.dead_letter_config[0].arn == aws_sqs_queue.dead_letters.arn
    ])
    error_message = "the key is handed over, the template is JSON, and what can't be delivered is kept"
  }

  # --- the state machine ---

  assert {
    condition     = aws_sfn_state_machine.dispatch.type == "EXPRESS"
    error_message = "a standard one costs 25 times as much"
  }
  assert {
    condition = jsondecode(aws_sfn_state_machine.dispatch.definition).States.Submit.Arguments == {
      JobName            = "{% $states.input.job & '-' & $split($states.input.key, '/')[1] %}"
      JobQueue           = "{% $states.input.queue %}"
      JobDefinition      = "{% $states.input.definition %}"
      ShareIdentifier    = "{% 't' & $substring($hash($split($states.input.key, '/')[1], 'MD5'), 0, 2) %}"
      ContainerOverrides = { Command = ["--event", "{% $states.input.key %}"] }
    }
    error_message = "the event's job, in its tenant's share"
  }
  assert {
    condition     = jsondecode(aws_sfn_state_machine.dispatch.definition).States.Submit.Catch[0].Next == "DeadLetter"
    error_message = "what can't be submitted is kept"
  }

  # --- schedules ---

  assert {
    condition = { for k, s in aws_scheduler_schedule.job : k => s.schedule_expression } == {
      sync = "rate(30 minutes)", orchestrate = "cron(20 4 * * ? *)", collect = "cron(40 4 ? * SUN *)"
    }
    error_message = "what starts by the clock"
  }
  assert {
    condition     = alltrue([for s in aws_scheduler_schedule.job : s.target[0].arn == "arn:aws:scheduler:::aws-sdk:batch:submitJob" && s.target[0].dead_letter_config[0].arn == aws_sqs_queue.dead_letters.arn])
    error_message = "the Scheduler submits to Batch itself"
  }
  assert {
    condition     = { for k, s in aws_scheduler_schedule.job : k => jsondecode(s.target[0].input).ContainerOverrides.Command } == { sync = ["--all"], orchestrate = ["--all"], collect = ["gc", "--keep-runs", "35"] }
    error_message = "what they are told"
  }
  assert {
    condition     = alltrue([for s in aws_scheduler_schedule.job : jsondecode(s.target[0].input).ShareIdentifier == "schedule" && !can(jsondecode(s.target[0].input).ArrayProperties)])
    error_message = "one job each: an array of one is refused"
  }
}

run "shards" {
  command = plan

  variables {
    sync_shards = 4
    schedule    = "cron(0/15 6-20 * * ? *)"
  }

  assert {
    condition     = jsondecode(aws_scheduler_schedule.job["sync"].target[0].input).ArrayProperties == { Size = 4 }
    error_message = "sync is an array of four"
  }
  assert {
    condition     = aws_scheduler_schedule.job["sync"].schedule_expression == "cron(0/15 6-20 * * ? *)"
    error_message = "schedule"
  }
  assert {
    condition     = !can(jsondecode(aws_scheduler_schedule.job["orchestrate"].target[0].input).ArrayProperties)
    error_message = "the others are not"
  }
}
