# Ends what runs in the directory $1, and the directory, when standard input ends. The other end of it is with the
# test process, and goes with it however it goes: kill -9 too.

# The end of the terminal, or of a group of processes, is the end of the tests, but must not be ours.
trap '' HUP INT TERM
while read -r _; do :; done

home=$1
if read -r server <"$home/pid"; then
    # Stopped, it starts no others while we look; those that it has do not all go when it goes.
    kill -STOP "$server"
    set -- "$server"
    for stat in /proc/[0-9]*/stat; do
        if read -r process _ _ parent _ <"$stat" && [ "$parent" = "$server" ]; then
            set -- "$@" "$process"
        fi
    done
    kill -KILL "$@"
fi

# A PostgreSQL that was killed leaves a few bytes of shared memory, of which a system has only so many pieces.
memory=$(sed -n 7p "$home/data/postmaster.pid")
[ -n "$memory" ] && ipcrm -m "${memory##* }"

# What it put into other places.
while read -r file; do rm -f "$file"; done <"$home/elsewhere"

# The second time is for a file that was being made by one of the dead.
rm -rf "$home" || rm -rf "$home"
