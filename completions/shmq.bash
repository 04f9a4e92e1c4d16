# bash completion for the shmq commands. Installed as shmq-create, with links for the others; needs
# bash-completion 2.

_shmq_rings() {
    COMPREPLY=($(compgen -W '$(shmq-stat -q -r --noheadings -o NAME 2>/dev/null)' -- "$cur"))
}

# One of the words in $1.
_shmq_words() {
    COMPREPLY=($(compgen -W "$1" -- "$cur"))
}

# A list of words out of $1, separated by commas; a leading + stays.
_shmq_list() {
    local done=''
    case $cur in
        *,*) done=${cur%,*}, ;;
        +*) done=+ ;;
    esac
    local last=${cur#"$done"}
    COMPREPLY=($(compgen -P "$done" -W "$1" -- "$last"))
    compopt -o nospace
}

# The values of option $1 of command $2; false where it takes none.
_shmq_value() {
    case $2:$1 in
        *:--waiting) _shmq_words 'adaptive block spin' ;;
        *-push:-F | *-push:--framing | *-pop:-F | *-pop:--framing) _shmq_words 'line nul whole u32 fixed chunk json' ;;
        *-push:-[dct] | *-push:--data | *-push:--count | *-push:--timeout) ;;
        *-pop:-[ct] | *-pop:--count | *-pop:--timeout) ;;
        *-stat:-o | *-stat:--output)
            if [[ " ${words[*]} " == *' -P '* || " ${words[*]} " == *' --participants '* ]]; then
                _shmq_list 'RING PID USER COMMAND ROLE STATE HOLDS MESSAGES BYTES LOST ENTRY REDELIVERED ABANDONED ATTACHED'
            else
                _shmq_list 'NAME TYPE STATE USED SLOTS USE% MSGS READERS WRITERS LOST PUSHED POPPED REDELIVERED ABANDONED SIZE MODE OWNER GROUP CREATOR CGROUP CPID LPID PUSHPID POPPID DPID CTIME ATIME DTIME PUSHTIME POPTIME NATTCH WAIT AGE DELAY RECORD PUSH/S POP/S IN/S OUT/S'
            fi
            ;;
        *-stat:--until) _shmq_words 'empty nonempty full reader writer end' ;;
        *-stat:-[tic] | *-stat:--timeout | *-stat:--interval | *-stat:--count) ;;
        *-bench:-T | *-bench:--type) _shmq_list 'spsc mpsc spmc mpmc' ;;
        *-bench:--against) _shmq_list 'pipe fifo unix mqueue' ;;
        *-bench:--save | *-bench:--baseline) _filedir json ;;
        *-bench:-[sN] | *-bench:--sizes | *-bench:--slots | *-bench:--producers | *-bench:--consumers | *-bench:--batch) ;;
        *-bench:--duration | *-bench:--runs | *-bench:--cpus | *-bench:--rate | *-bench:--max-regress | *-bench:--fail-if) ;;
        *-unlink:--idle) ;;
        *-create:-T | *-create:--type) _shmq_words 'spsc mpsc spmc mpmc' ;;
        *-create:--overflow) _shmq_words 'block overwrite' ;;
        *-pop:--from) _shmq_words 'oldest newest' ;;
        *-create:-m | *-create:--mode) _shmq_words '600 640 644 660 666' ;;
        *-create:-g | *-create:--group) COMPREPLY=($(compgen -g -- "$cur")) ;;
        *-create:-[Ns] | *-create:--slots | *-create:--slot-size | *-create:--max-message | *-create:--participants | *-create:--record) ;;
        *) return 1 ;;
    esac
}

_shmq() {
    local cur prev words cword split
    _init_completion -s || return
    local command=${1##*/} word seen=0
    # Behind a lone -- there are only operands.
    for word in "${words[@]:1:cword-1}"; do [[ $word == -- ]] && seen=1; done

    if ((seen)) && [[ $command == shmq-create ]]; then
        local at=1
        while [[ ${COMP_WORDS[at]} != -- ]]; do ((at++)); done
        _command_offset $((at + 1))
        return
    fi
    if ((!seen)); then
        # -zF: the last letter of a group may be the one with the value.
        local option=$prev
        [[ $option == -[!-]*[a-zA-Z] ]] && option=-${option: -1}
        [[ $option == -?* ]] && _shmq_value "$option" "$command" && return
        $split && return
        if [[ $cur == -* ]]; then
            local common='-q --quiet -v --verbose -h --help -V --version' own=
            case $command in
                shmq-create) own='-N --slots -s --slot-size --fixed --max-message -T --type -D --duplex --broadcast --overflow --record --timestamps --waiting -m --mode -g --group --exist-ok --replace -f --force --reopen --ephemeral --lock-memory --participants' ;;
                shmq-push) own='-F --framing -z --nul -w --whole -J --json -d --data -c --count -n --no-wait -t --timeout -e --end --wait-ring --waiting --skip-oversize' ;;
                shmq-pop) own='-F --framing -z --nul -w --whole -J --json -c --count -a --all -n --no-wait -t --timeout -e --end --each -p --peek --from --wait-ring --waiting' ;;
                shmq-stat) own='-J --json -r --raw -b --bytes -o --output --noheadings -P --participants -i --interval -c --count --limits --until -t --timeout' ;;
                shmq-unlink) own='-f --force --all --stale --idle --watch --dry-run' ;;
                shmq-bench) own='-s --sizes -T --type --producers --consumers --batch -N --slots --duration --runs --cpus --rate --waiting --against -J --json --save --baseline --max-regress --fail-if --plot' ;;
            esac
            _shmq_words "$own $common"
            return
        fi
    fi
    case $command in
        shmq-create) ;; # a new ring has a new name
        shmq-bench) [[ " ${words[*]} " == *' --plot '* ]] && _filedir json || _shmq_words 'throughput latency all' ;;
        *) _shmq_rings ;;
    esac
} &&
    complete -F _shmq shmq-create shmq-push shmq-pop shmq-stat shmq-unlink shmq-bench
