# Completions in the real shells: names of rings, values behind =, groups of letters, and silence where
# there is nothing to offer.
. "$(dirname "$0")/common.sh"
. "$SHMQ_SOURCE/tests/install/shells.sh"

shmq-create alpha albatross beta || exit 1
for shell in bash zsh fish; do
    for command in push pop stat unlink; do
        same "$shell: shmq-$command knows the rings" "$(printf 'albatross\nalpha\nbeta')" "$(offered_by $shell "shmq-$command ")"
        same "$shell: shmq-$command knows those that begin so" "$(printf 'albatross\nalpha')" "$(offered_by $shell "shmq-$command al")"
    done
    same "$shell: a name behind options" beta "$(offered_by $shell 'shmq-pop -c 3 -z be')"
    same "$shell: a new ring's name is not an old one's" '' "$(offered_by $shell 'shmq-create al')"
    same "$shell: the beginning of an option" "$(printf -- '--wait-ring\n--waiting')" "$(offered_by $shell 'shmq-pop --wait' | sed 's/=$//')"
    same "$shell: a value behind =" block "$(offered_by $shell 'shmq-pop --waiting=bl' | sed 's/^--waiting=//')"
    same "$shell: the beginning of a value" "$(printf 'spmc\nspsc')" "$(offered_by $shell 'shmq-create -T sp')"
    same "$shell: no ring in place of a number" '' "$(offered_by $shell 'shmq-pop -c ')"
    same "$shell: no ring in place of a text" '' "$(offered_by $shell 'shmq-push -d ')"
    same "$shell: a second column" MODE "$(offered_by $shell 'shmq-stat -o NAME,MO' | sed 's/^NAME,//')"
    check "$shell: a command behind --" grep -qx 'printf' <(offered_by $shell 'shmq-create new -- print')
    check "$shell: groups" grep -qx root <(offered_by $shell 'shmq-create -g ')
done
same 'bash: the last letter of a group takes the value' u32 "$(offered_by bash 'shmq-push -eF u')"
same 'zsh: the last letter of a group takes the value' u32 "$(offered_by zsh 'shmq-push -eF u')"
same 'bash: only names behind --' beta "$(offered_by bash 'shmq-pop -- be')"
same 'bash: a column to add' +MODE "$(offered_by bash 'shmq-stat -o +MO')"

# Nothing to list, nothing said: no directory, not a ring, no command.
printf 'no ring' >"$SHMQ_DIR/shmq.text"
for shell in bash zsh fish; do
    same "$shell: a file that is not a ring is passed over" "$(printf 'albatross\nalpha\nbeta')" "$(offered_by $shell 'shmq-pop ' 2>&1)"
    same "$shell: no directory, no word" '' "$(SHMQ_DIR=/nonexistent offered_by $shell 'shmq-pop ' 2>&1)"
done
