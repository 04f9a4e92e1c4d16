# shmq-stat -P asks /proc about processes that may die at any moment: before it opens a file there, and
# between that and the reading of it. Then it tells what the ring knows of them, and no more.
. "$(dirname "$0")/lib.sh" || exit 1

works 'a ring' shmq-create -N 16 q
shmq-pop q >/dev/null & popper=$!
comes_true 'somebody is attached' waits_in q READERS $popper
look() { "$@" shmq-stat -P --noheadings -r -o PID,STATE,COMMAND,ROLE q; }
gives 'shmq-stat -P tells who it is' "$popper sleeping shmq-pop consumer" look

# The calls that concern /proc/PID: a line each, NAME, its how manieth of that name, and the file.
guard strace -qq -o trace -e trace=openat,read,newfstatat shmq-stat -P --noheadings -r -o PID,STATE,COMMAND,ROLE q >/dev/null
perl -ne 'my ($call, $arguments, $answer) = /^(\w+)\((.*)\) += (-?\d+)/ or next;
          my $nth = ++$n{$call};
          my ($file) = $call eq "read" ? $files{($arguments =~ /^(\d+)/)[0]} : $arguments =~ m{"/proc/\d+(?:/(\w+))?"} ? $1 // "itself" : undef;
          $files{$answer} = $file if $call eq "openat";
          print "$call $nth $file\n" if $file' trace >asked
for file in stat maps; do
    same "it opens and reads its $file" 'openat read' "$(awk -v file=$file '$3 == file { print $1 }' asked | uniq | tr '\n' ' ' | sed 's/ $//')"
done
while read -r call nth file; do
    for error in ESRCH ENOENT; do
        [ $call-$error != read-ENOENT ] || continue
        works "gone at $call $nth, of $file: $error" look strace -qq -o /dev/null -e trace=$call -e inject=$call:error=$error:when=$nth
        same 'it is alive by its lock, and without a name' "$popper alive - consumer" "$(<"$out")"
    done
done <asked
gives 'it was never disturbed' "$popper sleeping shmq-pop consumer" look
works 'the end' shmq-push -e -d x q
finished 0 'it ends' $popper
