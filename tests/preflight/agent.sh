#!/bin/sh
# In place of ssh for mpirun (--mca plm_rsh_agent): "HOST COMMAND..." runs here, under that name. HOST gone: cannot be reached.
while [ "${1#-}" != "$1" ]; do shift; done
host=$1
shift
[ "$host" != gone ] || { echo "no route to gone" >&2; exit 255; }
TMPDIR=$TT_AGENT_FOLDER/$host
export TMPDIR SLURMD_NODENAME="$host"
mkdir -p "$TMPDIR"
exec unshare --uts sh -c "hostname $host; $*"
