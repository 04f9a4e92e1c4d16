# What the real shells offer for a command line, one candidate a line. Sourced after common.sh.
#
#   offered_by bash|zsh|fish 'shmq-pop --wai'
need bash zsh fish
bash_completion=/usr/share/bash-completion/bash_completion
[ -r $bash_completion ] || { echo "FAILED: this test needs bash-completion, which is not installed" >&2; exit 1; }

# As readline would call it: words split at COMP_WORDBREAKS, the function that `complete -p` names.
offered_by_bash() {
    bash --norc --noprofile -c '
        source "$1" && source "$2/shmq.bash" || exit 1
        line=$3
        COMP_LINE=$line COMP_POINT=${#line} COMP_TYPE=9 COMP_KEY=9 COMP_WORDS=()
        rest=$line
        while [[ $rest =~ ^\ *([^\ =]+|=)(.*)$ ]]; do COMP_WORDS+=("${BASH_REMATCH[1]}"); rest=${BASH_REMATCH[2]}; done
        [[ $line == *[\ ] ]] && COMP_WORDS+=("")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        command=${COMP_WORDS[0]}
        spec=$(complete -p "$command") || exit 1
        [[ $spec =~ -F\ ([^ ]+) ]] || exit 1
        compopt() { :; }
        "${BASH_REMATCH[1]}" "$command" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
        ((${#COMPREPLY[@]})) && printf "%s\n" "${COMPREPLY[@]}"
        exit 0' bash $bash_completion "$SHMQ_SOURCE/completions" "$1"
}

offered_by_zsh() { zsh -f "$SHMQ_SOURCE/tests/install/offered.zsh" "$SHMQ_SOURCE/completions" "$1" "$(mktemp "$work/zsh.XXXXXX")"; }

offered_by_fish() {
    local command=${1%% *}
    HOME=$work XDG_CONFIG_HOME=$work XDG_DATA_HOME=$work fish --no-config -c 'source $argv[1]; complete -C $argv[2]' \
        "$SHMQ_SOURCE/completions/$command.fish" "$1" | cut -f1
}

offered_by() { "offered_by_$1" "$2" | sort -u; }
