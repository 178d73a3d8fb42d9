# A Coder template for agents of buildd: each workspace is a container that starts `buildd-agent` with what buildd's
# runner `coder` hands over, drains it before it goes, and ends when the agent does.

terraform {
  required_providers {
    coder  = { source = "coder/coder" }
    docker = { source = "kreuzwerker/docker" }
  }
}

variable "image" {
  description = "An image with git, buildd, and what your tasks need; its user is no root."
  type        = string
}

data "coder_provisioner" "me" {}
data "coder_workspace" "me" {}

data "coder_parameter" "server" {
  name         = "buildd_server"
  display_name = "buildd's server"
  type         = "string"
  default      = ""
  mutable      = true
}

# Ephemeral: Coder does not give it to the next build again, so a workspace that a person starts anew starts no agent.
data "coder_parameter" "key" {
  name         = "buildd_key"
  display_name = "The launch's key"
  type         = "string"
  default      = ""
  mutable      = true
  ephemeral    = true
}

data "coder_parameter" "launch" {
  name         = "buildd_launch"
  display_name = "The launch"
  type         = "string"
  default      = ""
}

data "coder_parameter" "arguments" {
  name         = "buildd_arguments"
  display_name = "Arguments of buildd-agent, as JSON"
  type         = "string"
  default      = "[]"
  mutable      = true
}

module "agent" {
  source    = "./agent"
  server    = data.coder_parameter.server.value
  key       = data.coder_parameter.key.value
  arguments = data.coder_parameter.arguments.value
}

resource "coder_agent" "main" {
  arch = data.coder_provisioner.me.arch
  os   = "linux"
}

resource "coder_script" "start" {
  agent_id     = coder_agent.main.id
  display_name = "buildd-agent"
  run_on_start = true
  script       = module.agent.start
}

resource "coder_script" "drain" {
  agent_id     = coder_agent.main.id
  display_name = "Drain buildd-agent"
  run_on_stop  = true
  script       = module.agent.drain
}

resource "docker_container" "workspace" {
  count      = data.coder_workspace.me.start_count
  image      = var.image
  name       = "coder-${data.coder_workspace.me.id}"
  hostname   = data.coder_workspace.me.name
  entrypoint = ["sh", "-c", coder_agent.main.init_script]
  env        = ["CODER_AGENT_TOKEN=${coder_agent.main.token}"]

  # What `buildd-agent` has to drain, and more: its --drain-timeout is 30 seconds.
  destroy_grace_seconds = 60
}
