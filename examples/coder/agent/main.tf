# The scripts that start and drain `buildd-agent` in a workspace, for any template: copy this directory into yours.

variable "server" {
  type = string
}

variable "key" {
  type      = string
  sensitive = true
}

variable "arguments" {
  description = "A list of texts, as JSON."
  type        = string
}

variable "machine" {
  description = "The process that ends the machine: Coder's agent is the first one of a container."
  type        = number
  default     = 1
}

locals {
  settings = "BUILDD_SERVER=${jsonencode(var.server)}\nBUILDD_API_KEY=${jsonencode(var.key)}\n"
  quoted   = [for each in jsondecode(var.arguments) : "'${replace(each, "'", "'\\''")}'"]
}

output "start" {
  sensitive = true
  value = templatefile("${path.module}/start.sh", {
    settings  = var.key == "" ? "" : base64encode(local.settings)
    arguments = join(" ", local.quoted)
    machine   = var.machine
  })
}

output "drain" {
  value = file("${path.module}/drain.sh")
}
