#!/usr/bin/env bash
# The guard as a person meets it: an exit status, one sentence, and no task.
set -eu

play() {
  ansible-playbook -i hosts.yml guarded.yml "$@" >output 2>&1
}

acts_on() {
  local host=$1
  shift
  play "$@" || { cat output; echo "refused: $*"; exit 1; }
  [[ $(grep -c 'acting on' output) == 1 ]] && grep -q "acting on $host" output || { cat output; exit 1; }
}

refuses() {
  local sentence=$1
  shift
  if play "$@"; then cat output; echo "not refused: $*"; exit 1; fi
  if grep -q 'acting on' output || ! grep -q "$sentence" output; then cat output; echo "wrongly refused: $*"; exit 1; fi
}

acts_on one -e env=staging
acts_on two -e env=production -e version=1.1.0
acts_on one -e env=staging --check --diff

for limit in all two; do
  refuses 'no environment is given' --limit "$limit"
  refuses 'unknown environment' -e env=prodcution --limit "$limit"
  refuses 'env=all is no environment' -e env=all --limit "$limit"
  refuses 'unknown extra variable' -e env=production -e verison=1.1.0 --limit "$limit"
  refuses 'contains a template' -e env=production -e 'version={{ lookup("pipe", "touch executed") }}' --limit "$limit"
done
refuses 'leaves no host of environment' -e env=staging --limit two
[[ ! -e executed ]]
