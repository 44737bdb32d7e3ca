# What the variables refuse: one bad value of each a run, all of which must be reported.

mock_provider "aws" {
  source          = "./tests/aws"
  override_during = plan
}

variables {
  image_tag = "v1"
}

run "refused_1" {
  command         = plan
  expect_failures = [var.name, var.image_tag, var.schedule, var.sync_shards, var.token_parameter, var.token_key_arn, var.max_vcpus, var.gpu_instance_types, var.gpu_max_vcpus, var.network, var.alarm_email, var.watched_tenants, var.budget, var.log_days, var.operators, var.environment, var.tags]

  variables {
    name               = "Cloudfolio"
    image_tag          = "latest"
    schedule           = "every 30 minutes"
    sync_shards        = 0
    token_parameter    = "cloudfolio/{tenant}"
    token_key_arn      = "alias/tokens"
    max_vcpus          = 0
    gpu_instance_types = []
    gpu_max_vcpus      = 2
    network            = { vpc_id = "my-vpc", subnet_ids = ["subnet-0123456789abcdef0"] }
    alarm_email        = "ops"
    watched_tenants    = ["Octocat"]
    budget             = 0
    log_days           = 31
    operators          = ["octocat"]
    environment        = { lower = "1" }
    tags               = { "aws:x" = "1" }
  }
}

run "refused_2" {
  command         = plan
  expect_failures = [var.name, var.image_tag, var.schedule, var.sync_shards, var.token_parameter, var.max_vcpus, var.gpu_instance_types, var.gpu_max_vcpus, var.network, var.alarm_email, var.watched_tenants, var.operators, var.environment]

  variables {
    name               = "c"
    image_tag          = "-v1"
    schedule           = "rate(0 minutes)"
    sync_shards        = 10001
    token_parameter    = "/cloudfolio/token"
    max_vcpus          = 4001
    gpu_instance_types = ["m5.large"]
    gpu_max_vcpus      = 1001
    network            = { vpc_id = "vpc-0123456789abcdef0", subnet_ids = [] }
    alarm_email        = "a@b.c d@e.f"
    watched_tenants    = ["octo cat"]
    operators          = ["arn:aws:iam::123456789012:root"]
    environment        = { CLOUDFOLIO_STORE = "s3://other" }
  }
}

run "refused_3" {
  command         = plan
  expect_failures = [var.name, var.image_tag, var.schedule, var.sync_shards, var.token_parameter, var.gpu_instance_types, var.network, var.environment]

  variables {
    name               = "a-very-long-name-indeed"
    image_tag          = "v 1"
    schedule           = "rate(2 minutes)"
    sync_shards        = 1.5
    token_parameter    = "/a/{tenant}/{tenant}"
    gpu_instance_types = ["g5.medium"]
    network            = { vpc_id = "vpc-0123456789abcdef0", subnet_ids = ["a"] }
    environment        = { GITHUB_TOKEN = "x" }
  }
}

run "refused_4" {
  command         = plan
  expect_failures = [var.name, var.image_tag, var.schedule, var.token_parameter, var.environment]

  variables {
    name            = "1cloud"
    image_tag       = ""
    schedule        = "cron(0/30 * * *)"
    token_parameter = "/a/{user}/{tenant}"
    environment     = { CLOUDFOLIO_TENANT = "octocat" }
  }
}

# What looks odd and is right.
run "accepted" {
  command = plan

  variables {
    name               = "abcdefghij-klmnopqrs"
    image_tag          = "_2026.11.24-rc1"
    schedule           = "cron(0 8 ? * MON-FRI *)"
    sync_shards        = 10000
    token_parameter    = "/{tenant}"
    token_key_arn      = "arn:aws:kms:eu-central-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef"
    gpu_instance_types = ["g4dn.xlarge", "p5.48xlarge"]
    watched_tenants    = ["a", "octo-cat", "user_corp"]
    log_days           = 3653
    operators          = ["arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/Admin_1"]
    environment        = { GITHUB_API_URL = "https://github.example.com/api/v3" }
  }

  assert {
    condition     = length(aws_s3_bucket.store.bucket) <= 63 && alltrue([for r in aws_iam_role.store : length(r.name) <= 64]) && alltrue([for r in aws_scheduler_schedule.job : length(r.name) <= 64])
    error_message = "the longest name makes one that AWS refuses"
  }
  assert {
    condition     = alltrue([for p in concat(values(aws_iam_role_policy.store), values(aws_iam_role_policy.service)) : length(p.policy) <= 10240])
    error_message = "a role's policies have 10240 characters at most"
  }
}
