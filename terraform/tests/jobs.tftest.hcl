# What runs, where, how often, and what is tried again.

mock_provider "aws" {
  source          = "./tests/aws"
  override_during = plan
}

variables {
  image_tag = "v1"
}

run "defaults" {
  command = plan

  # --- where ---

  assert {
    condition     = alltrue([for c in aws_batch_compute_environment.gpu : c.compute_resources[0].min_vcpus == 0])
    error_message = "GPU instances must not stay when nothing trains"
  }
  assert {
    condition     = { for k, c in aws_batch_compute_environment.gpu : k => c.compute_resources[0].type } == { gpu-spot = "SPOT", gpu = "EC2" }
    error_message = "GPUs: Spot and on demand"
  }
  assert {
    condition     = { for k, c in aws_batch_compute_environment.fargate : k => c.compute_resources[0].type } == { fargate-spot = "FARGATE_SPOT", fargate = "FARGATE" }
    error_message = "Fargate: Spot and on demand"
  }
  assert {
    condition     = local.fargate["fargate-spot"].order < local.fargate["fargate"].order && local.gpu["gpu-spot"].order < local.gpu["gpu"].order
    error_message = "Spot comes first"
  }
  assert {
    condition     = length(aws_batch_job_queue.cpu.compute_environment_order) == 2 && length(aws_batch_job_queue.gpu.compute_environment_order) == 2
    error_message = "both queues have a second environment to fall back on"
  }
  assert {
    condition     = alltrue([for c in concat(values(aws_batch_compute_environment.fargate), values(aws_batch_compute_environment.gpu)) : c.compute_environment_name_prefix != null])
    error_message = "an environment with a fixed name can't be replaced while it is in use"
  }
  assert {
    condition     = aws_launch_template.gpu.metadata_options[0].http_tokens == "required" && aws_launch_template.gpu.metadata_options[0].http_put_response_hop_limit == 1
    error_message = "containers must not reach the instance's role"
  }

  # --- shares ---

  assert {
    condition     = aws_batch_job_queue.cpu.scheduling_policy_arn == aws_batch_scheduling_policy.fair.arn && aws_batch_job_queue.gpu.scheduling_policy_arn == aws_batch_scheduling_policy.fair.arn
    error_message = "both queues share fairly"
  }
  assert {
    condition     = aws_batch_scheduling_policy.fair.fair_share_policy[0].compute_reservation == 20
    error_message = "one tenant alone must not take everything"
  }

  # --- what ---

  assert {
    condition     = keys(aws_batch_job_definition.job) == ["collect", "orchestrate", "sync", "train", "train-gpu"]
    error_message = "five jobs"
  }
  assert {
    condition = alltrue([
      for d in aws_batch_job_definition.job : jsondecode(d.container_properties).user == "65532"
      && jsondecode(d.container_properties).readonlyRootFilesystem
      && !try(jsondecode(d.container_properties).privileged, false)
    ])
    error_message = "no root, nothing writable, no privileges"
  }
  assert {
    condition     = { for k, d in aws_batch_job_definition.job : k => one(d.platform_capabilities) } == { sync = "FARGATE", orchestrate = "FARGATE", train = "FARGATE", train-gpu = "EC2", collect = "FARGATE" }
    error_message = "only train-gpu needs instances"
  }
  assert {
    condition     = [for r in jsondecode(aws_batch_job_definition.job["train-gpu"].container_properties).resourceRequirements : r.value if r.type == "GPU"] == ["1"]
    error_message = "train-gpu asks for a GPU"
  }
  assert {
    condition = alltrue([
      for d in aws_batch_job_definition.job :
      contains([for e in jsondecode(d.container_properties).environment : "${e.name}=${e.value}"], "CLOUDFOLIO_STORE=s3://cloudfolio-123456789012-eu-central-1")
    ])
    error_message = "every job knows the store, which is the bucket's root: keys of events begin with tenants/"
  }
  assert {
    condition = { for k, d in aws_batch_job_definition.job : k => [
      for e in jsondecode(d.container_properties).environment : e.value if e.name == "CLOUDFOLIO_GITHUB_TOKENS"
    ] } == { sync = ["ssm:/cloudfolio/tenants/{tenant}/github-token"], orchestrate = [], train = [], train-gpu = [], collect = [] }
    error_message = "sync alone knows where tokens are"
  }
  assert {
    condition     = alltrue([for k, d in aws_batch_job_definition.job : endswith(jsondecode(d.container_properties).image, ":v1")])
    error_message = "the images of that tag"
  }
  assert {
    condition     = alltrue([for d in aws_batch_job_definition.job : d.timeout[0].attempt_duration_seconds >= 3600])
    error_message = "every job has a time-out, longer than sync may wait"
  }

  # --- what is tried again ---

  assert {
    condition     = alltrue([for d in aws_batch_job_definition.job : d.retry_strategy[0].attempts == 3])
    error_message = "three attempts"
  }
  assert {
    condition = alltrue([
      for d in aws_batch_job_definition.job : [
        for r in d.retry_strategy[0].evaluate_on_exit : join(" ", compact([r.action, r.on_exit_code, r.on_status_reason, r.on_reason]))
        ] == [
        "RETRY 69", "RETRY 75", "RETRY Host EC2*", "RETRY Your Spot Task was interrupted*", "EXIT *",
      ]
    ])
    error_message = "a service that is down, a limit or signal, a lost host: again. All else ends, and the rule for it comes last"
  }

  # --- waiting for what doesn't come ---

  assert {
    condition = { for a in aws_batch_job_queue.gpu.job_state_time_limit_action : a.reason => a.max_time_seconds } == {
      "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"           = 86400
      "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE" = 600
      "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT"         = 600
    }
    error_message = "a training doesn't wait for ever"
  }
}

run "other_values" {
  command = plan

  variables {
    name               = "folio2"
    image_tag          = "v2"
    max_vcpus          = 3
    gpu_max_vcpus      = 16
    gpu_instance_types = ["g5.2xlarge"]
    token_parameter    = "/else/{tenant}/token"
    environment        = { CLOUDFOLIO_GPU_WORK = "1000", CLOUDFOLIO_LOG = "text" }
  }

  assert {
    condition     = alltrue([for c in aws_batch_compute_environment.fargate : c.compute_resources[0].max_vcpus == 3])
    error_message = "max_vcpus"
  }
  assert {
    condition     = alltrue([for c in aws_batch_compute_environment.gpu : c.compute_resources[0].max_vcpus == 16 && c.compute_resources[0].min_vcpus == 0 && c.compute_resources[0].instance_type == toset(["g5.2xlarge"])])
    error_message = "gpu_max_vcpus, gpu_instance_types"
  }
  assert {
    condition = alltrue([
      for d in aws_batch_job_definition.job : length(setintersection([
        for e in jsondecode(d.container_properties).environment : "${e.name}=${e.value}"
      ], ["CLOUDFOLIO_GPU_WORK=1000", "CLOUDFOLIO_LOG=text"])) == 2
    ])
    error_message = "environment reaches every job, and wins over what is set here"
  }
  assert {
    condition     = contains(jsondecode(aws_batch_job_definition.job["sync"].container_properties).environment[*].value, "ssm:/else/{tenant}/token")
    error_message = "token_parameter"
  }
  assert {
    condition     = startswith(aws_s3_bucket.store.bucket, "folio2-") && aws_batch_job_queue.cpu.name == "folio2-cpu" && aws_ecr_repository.image["train"].name == "folio2/train"
    error_message = "name begins all names"
  }
}
