# A Slurm cluster of two nodes on one machine, for tests. Sourced by them.
# shellcheck shell=bash
#
# All of it lives in namespaces of its own: processes, network, mounts, host name. So it shares no port, folder or name
# with another cluster on this machine, and when its first process ends, however that may be, the kernel ends all others.
# Its files are in memory: $cluster, a folder that nobody else sees.
#
#   cluster_enter "$0" "$@"   goes on with the same script inside; exits 77 with the reason where that is impossible
#   cluster_up                starts munged, slurmctld and the nodes n1, n2
#   node_up n2, node_kill n2  a node that comes, a node that is lost: its slurmd, and all that runs on it
set -u

# What stands in the way of a cluster here; nothing where it can be had.
cluster_missing() {
  local tool
  ((EUID == 0)) || { echo "a cluster of its own needs root"; return; }
  for tool in munged slurmctld slurmd sbatch srun scontrol ip unshare; do
    PATH=$PATH:/usr/sbin:/sbin command -v "$tool" > /dev/null || { echo "no $tool here (launch/test --slurm installs Slurm)"; return; }
  done
  unshare --pid --fork --mount-proc --net --uts --mount --ipc ip link set lo up 2> /dev/null || echo "namespaces cannot be made here"
}

cluster_enter() {
  [[ -z ${CLUSTER_INSIDE:-} ]] || return 0
  local missing
  missing=$(cluster_missing)
  [[ -z $missing ]] || { echo "skipped: $missing"; exit 77; }
  # --kill-child: killed as it may be, it takes along the first process inside, and that one takes along all others
  CLUSTER_INSIDE=1 exec unshare --pid --fork --kill-child --mount-proc --net --uts --mount --ipc -- bash "$@"
}

# Leaves its folder in $cluster, for the test's files too, and SLURM_CONF set.
cluster_up() {
  local n
  [[ -n ${CLUSTER_INSIDE:-} ]] || { echo "cluster_enter comes first"; return 1; }
  cluster=/mnt # a short path: names of sockets in it have at most 107 characters
  [[ $PWD/ != /mnt/* ]] || cluster=/srv
  export SLURM_CONF=$cluster/slurm.conf PATH=$PATH:/usr/sbin:/sbin
  trap 'exit 143' TERM INT # the first process of all hears only what it listens to
  mount -t tmpfs -o size=4g,mode=755 tmpfs "$cluster" || return 1
  mkdir "$cluster"/{state,log,run,munge}
  ip link set lo up
  ip address add 10.0.0.1/32 dev lo # a machine with nothing but 127.0.0.1 counts as one without a network: no names then
  hostname control
  printf '127.0.0.1 %s\n' localhost control n1 n2 > "$cluster/hosts"
  mount --bind "$cluster/hosts" /etc/hosts
  (umask 077; head -c 128 /dev/urandom > "$cluster/munge/key")
  chmod 711 "$cluster/munge"
  # --force: it does not like folders of others above its own (/tmp)
  munged --force --key-file="$cluster/munge/key" --socket="$cluster/munge/sock" --pid-file="$cluster/munge/pid" \
    --log-file="$cluster/munge/log" --seed-file="$cluster/munge/seed" --num-threads=2 2> /dev/null || return 1
  cluster_configuration > "$SLURM_CONF"
  cluster_task_prolog > "$cluster/task-prolog" && chmod 755 "$cluster/task-prolog"
  slurmctld -c -f "$SLURM_CONF" || return 1
  for n in n1 n2; do node_up $n || return 1; done
  for _ in $(seq 100); do
    [[ $(sinfo -h -p low -o '%D %t') == '2 idle' ]] && return
    sleep 0.1
  done
  echo "the cluster does not come up:"
  sinfo -N -l
  tail -n 5 "$cluster"/log/*.log
  return 1
}

# More cores a node than there are (config_overrides), so that jobs can wait beside each other; times as short as they can be.
# cred_expire is how long a requeued job waits before it starts again (less than 5 counts as 120). SlurmdTimeout: after that a silent node is lost.
cluster_configuration() {
  cat << END
ClusterName=test
SlurmctldHost=control(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$cluster/munge/sock,cred_expire=5
CredType=cred/munge
StateSaveLocation=$cluster/state
SlurmdSpoolDir=$cluster/spool/%n
TmpFS=$cluster/tmp/%n
SlurmctldPidFile=$cluster/run/slurmctld.pid
SlurmdPidFile=$cluster/run/%n.pid
SlurmctldLogFile=$cluster/log/slurmctld.log
SlurmdLogFile=$cluster/log/%n.log
TaskProlog=$cluster/task-prolog
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$cluster/log/jobcomp.txt
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_min_interval=100000,batch_sched_delay=0,sched_interval=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
MpiDefault=pmix
ReturnToService=2
KillWait=10
MinJobAge=600
SlurmctldTimeout=30
SlurmdTimeout=5
MessageTimeout=10
SlurmdParameters=config_overrides
NodeName=n1 NodeAddr=127.0.0.1 Port=16821 CPUs=32 RealMemory=4000
NodeName=n2 NodeAddr=127.0.0.1 Port=16822 CPUs=32 RealMemory=4000
PartitionName=low  Nodes=n1,n2 Default=YES MaxTime=60 PriorityTier=1 PreemptMode=REQUEUE GraceTime=20 OverSubscribe=NO
PartitionName=high Nodes=n1,n2 MaxTime=60 PriorityTier=10 PreemptMode=OFF OverSubscribe=NO
END
}

# Each node has a folder for temporary files of its own, as on two machines; ranks that wait leave the core to others.
cluster_task_prolog() {
  cat << END
#!/bin/sh
echo "export TMPDIR=$cluster/tmp/\$SLURMD_NODENAME"
echo "export OMPI_MCA_btl_tcp_if_include=lo"
echo "export OMPI_MCA_oob_tcp_if_include=lo"
echo "export OMPI_MCA_mpi_yield_when_idle=1"
END
}

# node_up NODE: with its own host name and shared memory (Open MPI names its files there by host, user and job), and as after a
# reboot: a socket that a killed step left in the spool folder would not let Slurm start that step again
node_up() {
  rm -rf "$cluster/spool/$1" "$cluster/tmp/$1"
  mkdir -p "$cluster/spool/$1" "$cluster/tmp/$1"
  unshare --uts --mount sh -c "hostname $1 && mount -t tmpfs -o size=1g tmpfs /dev/shm && exec slurmd -N $1 -f $SLURM_CONF"
}

# node_kill NODE: everything that has its host name dies at once, slurmd first
node_kill() {
  local slurmd
  slurmd=$(cat "$cluster/run/$1.pid")
  local names=() p space
  space=$(readlink "/proc/$slurmd/ns/uts")
  for p in /proc/[0-9]*; do [[ $(readlink "$p/ns/uts") == "$space" ]] && names+=("${p#/proc/}"); done 2> /dev/null
  kill -KILL "$slurmd" "${names[@]}" 2> /dev/null
}
