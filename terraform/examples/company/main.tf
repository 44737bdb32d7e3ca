# For a company: state that is shared and locked, an existing VPC with NAT, GitHub Enterprise Server, tokens under a key of
# the company's own, some thousand tenants, and people who run it.

terraform {
  required_version = ">= 1.11"

  # The bucket must be there already: terraform init -backend-config=bucket=NAME
  backend "s3" {
    key          = "cloudfolio/terraform.tfstate"
    region       = "eu-central-1"
    encrypt      = true
    use_lockfile = true
  }

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

variable "image_tag" {
  description = "The release to run."
  type        = string
}

variable "vpc_id" {
  type = string
}

variable "private_subnet_ids" {
  type = list(string)
}

variable "token_key_arn" {
  type = string
}

variable "operators" {
  type = list(string)
}

provider "aws" {
  region = "eu-central-1"
}

module "cloudfolio" {
  source    = "../.."
  name      = "folio-prod"
  image_tag = var.image_tag

  network = {
    vpc_id     = var.vpc_id
    subnet_ids = var.private_subnet_ids
    public_ip  = false
  }

  schedule      = "rate(1 hour)"
  sync_shards   = 4
  max_vcpus     = 64
  gpu_max_vcpus = 32

  token_parameter = "/engineering/github/{tenant}"
  token_key_arn   = var.token_key_arn
  environment = {
    GITHUB_API_URL = "https://github.example.com/api/v3"
  }

  operators       = var.operators
  alarm_email     = "cloudfolio@example.com"
  watched_tenants = ["platform-team"]
  budget          = 400
  log_days        = 90
  tags            = { team = "developer-experience" }
}

output "kick_sync" {
  value = module.cloudfolio.kick_sync
}

output "operator_role" {
  value = module.cloudfolio.operator_role
}
