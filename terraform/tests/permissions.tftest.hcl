# Who may assume what, and the plan from which tests/cloud/permissions.py compares all policies with docs/SECURITY.md.

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
    condition     = { for k, r in aws_iam_role.store : k => one(values(jsondecode(r.assume_role_policy).Statement[0].Principal)) if k != "operator" } == { for k in ["sync", "orchestrate", "train", "collector"] : k => "ecs-tasks.amazonaws.com" }
    error_message = "jobs' roles are for containers"
  }
  assert {
    condition     = jsondecode(aws_iam_role.store["operator"].assume_role_policy).Statement[0].Principal.AWS == ["arn:aws:iam::123456789012:root"]
    error_message = "operators are of this account"
  }
  assert {
    condition = alltrue([
      for r in concat([for k, r in aws_iam_role.store : r if k != "operator"], values(aws_iam_role.service)) :
      jsondecode(r.assume_role_policy).Statement[0].Condition.StringEquals["aws:SourceAccount"] == "123456789012"
    ])
    error_message = "services act for this account only"
  }
  assert {
    condition     = { for k, d in aws_batch_job_definition.job : k => local.jobs[k].role } == { sync = "sync", orchestrate = "orchestrate", train = "train", train-gpu = "train", collect = "collector" }
    error_message = "each job has its role"
  }
  assert {
    condition     = alltrue([for s in jsondecode(aws_sqs_queue_policy.dead_letters.policy).Statement : can(s.Condition)]) && alltrue([for s in jsondecode(aws_sns_topic_policy.alarms.policy).Statement : can(s.Condition)]) && alltrue([for s in jsondecode(aws_cloudwatch_log_resource_policy.troubles.policy_document).Statement : can(s.Condition) || s.Action == ["logs:CreateLogStream"]])
    error_message = "no queue, topic or log group is open to services acting for others"
  }
}

run "chosen" {
  command = plan

  variables {
    operators     = ["arn:aws:iam::210987654321:user/octocat"]
    token_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef"
  }

  assert {
    condition     = jsondecode(aws_iam_role.store["operator"].assume_role_policy).Statement[0].Principal.AWS == ["arn:aws:iam::210987654321:user/octocat"]
    error_message = "operators"
  }
  assert {
    condition = { for k, p in aws_iam_role_policy.store : k => flatten([for s in jsondecode(p.policy).Statement : s.Action if s.Sid == "TokenKey"]) } == {
      sync = ["kms:Decrypt"], operator = ["kms:Encrypt", "kms:GenerateDataKey"], orchestrate = [], train = [], collector = []
    }
    error_message = "sync alone decrypts tokens"
  }
}
