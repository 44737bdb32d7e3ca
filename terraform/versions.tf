terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # 6.0 renames attributes of Batch's resources.
      version = "~> 5.100"
    }
  }
}
