# What AWS would answer, as far as other resources check its form.

mock_data "aws_caller_identity" {
  defaults = { account_id = "123456789012" }
}

mock_data "aws_partition" {
  defaults = { partition = "aws" }
}

mock_data "aws_region" {
  defaults = { name = "eu-central-1" }
}

mock_data "aws_availability_zones" {
  defaults = { names = ["eu-central-1a", "eu-central-1b", "eu-central-1c", "eu-central-1d"] }
}

mock_resource "aws_s3_bucket" {
  defaults = { arn = "arn:aws:s3:::cloudfolio-123456789012-eu-central-1" }
}

mock_resource "aws_ecr_repository" {
  defaults = { repository_url = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/cloudfolio/image" }
}

mock_resource "aws_iam_role" {
  defaults = { arn = "arn:aws:iam::123456789012:role/cloudfolio-role" }
}

mock_resource "aws_iam_instance_profile" {
  defaults = { arn = "arn:aws:iam::123456789012:instance-profile/cloudfolio-instance" }
}

mock_resource "aws_batch_compute_environment" {
  defaults = { arn = "arn:aws:batch:eu-central-1:123456789012:compute-environment/cloudfolio-x" }
}

mock_resource "aws_batch_scheduling_policy" {
  defaults = { arn = "arn:aws:batch:eu-central-1:123456789012:scheduling-policy/cloudfolio-fair" }
}

mock_resource "aws_batch_job_queue" {
  defaults = { arn = "arn:aws:batch:eu-central-1:123456789012:job-queue/cloudfolio-x" }
}

mock_resource "aws_batch_job_definition" {
  defaults = {
    arn      = "arn:aws:batch:eu-central-1:123456789012:job-definition/cloudfolio-x:3"
    revision = 3
  }
}

mock_resource "aws_sfn_state_machine" {
  defaults = { arn = "arn:aws:states:eu-central-1:123456789012:stateMachine:cloudfolio-dispatch" }
}

mock_resource "aws_sqs_queue" {
  defaults = {
    arn = "arn:aws:sqs:eu-central-1:123456789012:cloudfolio-dead-letters"
    url = "https://sqs.eu-central-1.amazonaws.com/123456789012/cloudfolio-dead-letters"
  }
}

mock_resource "aws_sns_topic" {
  defaults = { arn = "arn:aws:sns:eu-central-1:123456789012:cloudfolio-alarms" }
}

mock_resource "aws_cloudwatch_log_group" {
  defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/cloudfolio/x" }
}

mock_resource "aws_security_group" {
  defaults = { id = "sg-0123456789abcdef0" }
}

mock_resource "aws_launch_template" {
  defaults = { id = "lt-0123456789abcdef0" }
}
