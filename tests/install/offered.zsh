# offered.zsh DIR LINE FILE: what zsh, with the completions of DIR, offers for LINE. An interactive shell on
# a pseudo-terminal gets the line and a tab; its compadd writes down, in FILE, what it is given.
zmodload zsh/zpty || exit 1
integer i
typeset found=$3 setup=$3.setup
cat >$setup <<END
unset HISTFILE
PROMPT= RPROMPT=
fpath=(${(q)1} \$fpath)
autoload -Uz compinit && compinit -D -u
zstyle ':completion:*' menu no
compadd() {
  # With -O, -A or -D it only computes something for a function of the completion system.
  if [[ \${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd "\$@"; return; fi
  typeset -a hits
  builtin compadd -A hits "\$@"
  (( \$#hits )) || return 1
  print -rl -- \${hits/#/\$IPREFIX} >>$found
}
finish() { print -r END >>$found; }
zle -C offer complete-word offer_all
offer_all() { _main_complete; finish; }
bindkey '^I' offer
print READY >>$found
END
zpty z zsh -f -i || exit 1
zpty -w z "source $setup"
wait_for() {
  for ((i = 0; i < 1000; ++i)); do
    grep -qx $1 $found && return
    zpty -r -t z >/dev/null
    sleep 0.02
  done
  print -ru2 "zsh did not answer '$1'"
  exit 1
}
wait_for READY
: >$found
zpty -w -n z "$2"$'\t'
wait_for END
zpty -d z
grep -vx END $found
exit 0
