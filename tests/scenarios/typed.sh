# A typed message: a program writes a C struct, a shell reads it as JSON and writes one back, which the
# program reads as a struct. Neither knows how the other sees it.
. "$(dirname "$0")/../cli/lib.sh" || exit 1
typed=${PROGRAMS:?must name the directory of the programs}/scenario_typed

gives 'a program makes a ring and writes its struct' '' "$typed" write statements
gives 'the ring tells what its messages are' 'text:char[20],numerator:i32,denominator:i32,value:f64,farewell:char[8]' field RECORD statements

# The shell reads, without taking, then takes.
say='"\(.text)\(.numerator)/\(.denominator)==\(.value * 100000 | round / 100000)", .farewell'
gives 'a shell reads it by the names of its fields' $'PI is defined as: 22/7==3.14286\ngoodbye' bash -c 'shmq-pop -p -J statements | jq -r "$1"' - "$say"
works 'and takes it' shmq-pop -J -c 1 statements
cp "$out" statement
check 'all of it, every digit' jq -e '. == {"text": "PI is defined as: ", "numerator": 22, "denominator": 7, "value": 3.142857142857143, "farewell": "goodbye"}' statement

# And writes the same back, to a program that waits.
"$typed" read statements >said & reader=$!
comes_true 'a program waits' waits_in statements READERS $reader
works 'the shell writes what it read' bash -c 'shmq-push -J statements <statement'
finished 0 'the program ends' $reader
same 'it has read the struct' $'PI is defined as: 22/7==3.14286\ngoodbye' "$(cat said)"

# Another one, made by the shell.
"$typed" read statements >said & reader=$!
comes_true 'a program waits' waits_in statements READERS $reader
works 'the shell writes one of its own' bash -c 'jq -c ".numerator = 355 | .denominator = 113 | .value = 355 / 113 | .farewell = \"so long\"" statement | shmq-push -J statements'
finished 0 'the program ends' $reader
same 'it has read that' $'PI is defined as: 355/113==3.14159\nso long' "$(cat said)"

# What is no such struct never gets to the program.
refuses 65 'message 1: field farewell: found 13 bytes, expected a string of at most 8 bytes' 'text that is too long is refused' shmq-push -J -d '{"text":"PI","numerator":22,"denominator":7,"value":3.14,"farewell":"until we meet"}' statements
refuses 65 'message 1: field numerator: found 22.5' 'so is half a number' shmq-push -J -d '{"text":"PI","numerator":22.5,"denominator":7,"value":3.14,"farewell":"goodbye"}' statements
gives 'and the ring is empty' 0 field MSGS statements
works 'the ring goes' shmq-unlink statements
