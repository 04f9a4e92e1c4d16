# fish completion for shmq-stat.
complete -c shmq-stat -f -a '(shmq-stat -q -r --noheadings -o NAME 2>/dev/null)' -d ring
complete -c shmq-stat -s J -l json -d JSON
complete -c shmq-stat -s r -l raw -d 'one space between columns'
complete -c shmq-stat -s b -l bytes -d 'sizes in bytes'
complete -c shmq-stat -s o -l output -x -n 'not __fish_contains_opt -s P participants' -a '(__fish_append , NAME TYPE STATE USED SLOTS USE% MSGS READERS WRITERS LOST PUSHED POPPED REDELIVERED ABANDONED SIZE MODE OWNER GROUP CREATOR CGROUP CPID LPID PUSHPID POPPID DPID CTIME ATIME DTIME PUSHTIME POPTIME NATTCH WAIT AGE DELAY RECORD PUSH/S POP/S IN/S OUT/S)' -d 'which columns'
complete -c shmq-stat -s o -l output -x -n '__fish_contains_opt -s P participants' -a '(__fish_append , RING PID USER COMMAND ROLE STATE HOLDS MESSAGES BYTES LOST ENTRY REDELIVERED ABANDONED ATTACHED)' -d 'which columns'
complete -c shmq-stat -l noheadings -d 'no line of headings'
complete -c shmq-stat -s P -l participants -d 'a line for each participant'
complete -c shmq-stat -s i -l interval -x -d 'again and again, with rates'
complete -c shmq-stat -s c -l count -x -d 'with -i, so many times'
complete -c shmq-stat -l limits -d 'what the system allows'
complete -c shmq-stat -l until -x -a 'empty nonempty full reader writer end' -d 'wait for a state'
complete -c shmq-stat -s t -l timeout -x -d 'with --until, fail when it takes longer'
complete -c shmq-stat -s q -l quiet -d 'errors only'
complete -c shmq-stat -s v -l verbose -d 'one closing summary on stderr'
complete -c shmq-stat -s h -l help -d 'print a help and exit'
complete -c shmq-stat -s V -l version -d 'print the version and exit'
