# What is reported. Alarms go by their changes, so a tenant whose sync fails all day makes one letter and not fifty; the
# events with all their details are in a log group.

resource "aws_sns_topic" "alarms" {
  name = "${var.name}-alarms"
  tags = local.tags
}

resource "aws_sns_topic_subscription" "email" {
  count     = var.alarm_email == null ? 0 : 1
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.alarm_email
}

resource "aws_sns_topic_policy" "alarms" {
  arn = aws_sns_topic.alarms.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AlarmsAndBudgets"
      Effect    = "Allow"
      Principal = { Service = ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"] }
      Action    = "sns:Publish"
      Resource  = "arn:${local.partition}:sns:${local.region}:${local.account}:${var.name}-alarms"
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })
}

# --- jobs that failed, and jobs that wait for what doesn't come ----------------------------------------

locals {
  queue_arns = [for q in ["cpu", "gpu"] : "${local.batch_arn}:job-queue/${var.name}-${q}"]

  troubles = {
    failed = {
      description = "a job failed, after its retries or because none could help, or ran into its time-out"
      detail-type = "Batch Job State Change"
      detail      = { jobQueue = local.queue_arns, status = ["FAILED"] }
    }
    blocked = {
      description = "the first job of a queue waits for capacity that isn't there"
      detail-type = "Batch Job Queue Blocked"
      detail      = { jobQueue = local.queue_arns }
    }
  }
}

resource "aws_cloudwatch_log_group" "troubles" {
  name              = "/${var.name}/events"
  retention_in_days = var.log_days
  tags              = local.tags
}

resource "aws_cloudwatch_log_resource_policy" "troubles" {
  policy_name = "${var.name}-events"
  policy_document = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "Streams"
        Effect    = "Allow"
        Principal = { Service = ["events.amazonaws.com", "delivery.logs.amazonaws.com"] }
        Action    = ["logs:CreateLogStream"]
        Resource  = "${local.logs_arn}:log-group:/${var.name}/events:*"
      },
      {
        Sid       = "EventsOfTheseRules"
        Effect    = "Allow"
        Principal = { Service = ["events.amazonaws.com", "delivery.logs.amazonaws.com"] }
        Action    = ["logs:PutLogEvents"]
        Resource  = "${local.logs_arn}:log-group:/${var.name}/events:*"
        Condition = { ArnEquals = { "aws:SourceArn" = [for k in sort(keys(local.troubles)) : "arn:${local.partition}:events:${local.region}:${local.account}:rule/${var.name}-${k}"] } }
      },
    ]
  })
}

resource "aws_cloudwatch_event_rule" "trouble" {
  for_each    = local.troubles
  name        = "${var.name}-${each.key}"
  description = "CloudFolio: ${each.value.description}"
  tags        = local.tags

  event_pattern = jsonencode({
    source      = ["aws.batch"]
    detail-type = [each.value.detail-type]
    detail      = each.value.detail
  })
}

resource "aws_cloudwatch_event_target" "trouble" {
  for_each  = local.troubles
  rule      = aws_cloudwatch_event_rule.trouble[each.key].name
  target_id = "log"
  arn       = aws_cloudwatch_log_group.troubles.arn
}

# EventBridge counts what its rules match, at no cost.
resource "aws_cloudwatch_metric_alarm" "trouble" {
  for_each            = local.troubles
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "${each.value.description}; see the log group /${var.name}/events"
  namespace           = "AWS/Events"
  metric_name         = "TriggeredRules"
  dimensions          = { RuleName = aws_cloudwatch_event_rule.trouble[each.key].name }
  statistic           = "Sum"
  period              = 3600
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
  tags                = local.tags
}

# --- events that reached nobody -------------------------------------------------------------------

resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  alarm_name          = "${var.name}-dead-letters"
  alarm_description   = "an event or a schedule could not submit its job"
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.dead_letters.name }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
  tags                = local.tags
}

# --- sync: nothing succeeds, or GitHub's budget runs out -------------------------------------------------

locals {
  sync_metrics = {
    SyncSucceeded = "{ ($.event = \"run_ended\") && ($.exit_status = 0) }"
    GitHubLimited = "{ (($.event = \"waiting\") && ($.for = \"rate_limit\")) || (($.event = \"run_ended\") && ($.exit_status = 75)) }"
  }
}

resource "aws_cloudwatch_log_metric_filter" "sync" {
  for_each       = local.sync_metrics
  name           = "${var.name}-${each.key}"
  log_group_name = aws_cloudwatch_log_group.job["sync"].name
  pattern        = each.value

  metric_transformation {
    namespace = var.name
    name      = each.key
    value     = "1"
    unit      = "Count"
  }
}

resource "aws_cloudwatch_metric_alarm" "sync_silent" {
  alarm_name          = "${var.name}-sync-silent"
  alarm_description   = "no sync of any tenant succeeded for 24 hours; also until the first tenant was synced"
  namespace           = var.name
  metric_name         = "SyncSucceeded"
  statistic           = "Sum"
  period              = 86400
  evaluation_periods  = 1
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
  tags                = local.tags
}

resource "aws_cloudwatch_metric_alarm" "github" {
  alarm_name          = "${var.name}-github-limit"
  alarm_description   = "syncs waited for GitHub's rate limits, or gave up on them, in 3 of 4 hours: tenants need tokens of their own, or a longer schedule"
  namespace           = var.name
  metric_name         = "GitHubLimited"
  statistic           = "Sum"
  period              = 3600
  evaluation_periods  = 4
  datapoints_to_alarm = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
  tags                = local.tags
}

# RunFailed is 0 or 1 for each run of a tenant, from the job's own log.
resource "aws_cloudwatch_metric_alarm" "tenant" {
  for_each            = var.watched_tenants
  alarm_name          = "${var.name}-tenant-${each.key}"
  alarm_description   = "no sync of ${each.key} succeeded for 24 hours"
  namespace           = "CloudFolio"
  metric_name         = "RunFailed"
  dimensions          = { job = "sync", tenant = each.key }
  statistic           = "Minimum"
  period              = 86400
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
  tags                = local.tags
}
