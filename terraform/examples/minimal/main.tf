# CloudFolio as a part of your own configuration, with everything as it comes.
#
#     terraform init && terraform apply -var image_tag=v1.0.0

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

variable "image_tag" {
  type = string
}

provider "aws" {
  region = "eu-central-1"
}

module "cloudfolio" {
  source    = "../.."
  image_tag = var.image_tag
}

output "cloudfolio" {
  description = "Where things are, and the commands of a manual kick."
  value       = module.cloudfolio
}
