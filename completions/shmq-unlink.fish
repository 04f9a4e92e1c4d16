# fish completion for shmq-unlink.
complete -c shmq-unlink -f -a '(shmq-stat -q -r --noheadings -o NAME 2>/dev/null)' -d ring
complete -c shmq-unlink -s f -l force -d 'also what is in use or not a ring'
complete -c shmq-unlink -l all -d 'every ring'
complete -c shmq-unlink -l stale -d 'only what nobody uses'
complete -c shmq-unlink -l idle -x -d 'for how long'
complete -c shmq-unlink -l watch -d 'as --stale, again and again'
complete -c shmq-unlink -l dry-run -d 'print what would be removed'
complete -c shmq-unlink -s q -l quiet -d 'errors only'
complete -c shmq-unlink -s v -l verbose -d 'one closing summary on stderr'
complete -c shmq-unlink -s h -l help -d 'print a help and exit'
complete -c shmq-unlink -s V -l version -d 'print the version and exit'
