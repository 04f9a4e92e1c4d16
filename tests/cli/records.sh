# Record layouts: a C struct in the ring, a JSON object in the shell.
. "$(dirname "$0")/lib.sh" || exit 1
structs=${RECORD_STRUCTS:?must name the program}

record_of() { shmq-stat -J "$1" | jq -r '.rings[0].record'; }
size_of() { shmq-stat -J "$1" | jq '.rings[0].slot_size'; }

# ---- the compiler and shmq agree ----------------------------------------------------------------
gives 'sizes and offsets of structs are those of the compiler' '' "$structs" check
"$structs" list >list
check 'of many structs' [ "$(wc -l <list)" -gt 10 ]
while read -r name layout; do
    works "rings of $layout" shmq-create --record "$layout" -N 4 "$name" "$name-copy"
    same "have slots of the size of struct $name" "$("$structs" size "$name")" "$(size_of "$name")"
    gives "a program pushes struct $name" '' "$structs" push "$name" "$name"
    ends 0 'pop -J prints it' shmq-pop -J -a "$name"
    same 'one object a line, which jq reads' 'object object' "$(jq -r type "$out" | xargs)"
    same 'with the fields in the order of the layout' "$(tr , '\n' <<<"$layout" | sed 's/:.*//' | xargs)" "$(head -1 "$out" | jq -r 'keys_unsorted[]' | xargs)"
    cp "$out" objects
    works 'push -J takes it' bash -c "shmq-push -J $name-copy <objects"
    gives 'and the program has its structs again, byte for byte' '' "$structs" pop "$name" "$name-copy"
done <list

tick='id:u32,px:f64,sym:char[8]'
gives 'a program pushes' '' "$structs" push tick tick
gives 'and the shell reads' $'{"id":1,"px":4.1,"sym":"mnopqrst"}\n{"id":0,"px":-1.7976931348623157e+308,"sym":"ZZZZZZZZ"}' shmq-pop -J -a tick
works 'the shell writes' bash -c "echo '{\"sym\":\"mnopqrst\", \"id\":1, \"px\":4.1}' | shmq-push -J tick; shmq-push -J -d '{\"id\":0,\"px\":-1.7976931348623157e308,\"sym\":\"ZZZZZZZZ\"}' tick"
gives 'and the program reads' '' "$structs" pop tick tick
works 'a third language writes' bash -c "perl -e 'print pack(q(L x4 d a8), 7, 0.5, q(perl))' | shmq-push -w tick"
gives 'and the shell reads' '{"id":7,"px":0.5,"sym":"perl"}' shmq-pop -J -a tick
works 'the shell writes' shmq-push -J -d '{"id":7,"px":0.5,"sym":"perl"}' tick
ends 0 'and it reads' shmq-pop -w tick
same 'the same, padding zero' "$(perl -e 'print unpack("H*", pack("L x4 d a8", 7, 0.5, "perl"))')" "$(perl -0777 -ne 'print unpack("H*", $_)' "$out")"

# ---- whatever is in a record comes through ------------------------------------------------------
all='a:u64,b:f64,c:f32,d:i32,e:char[8],f:bool[4],g:u16[2],h:i64'
works 'rings of every type, without padding' shmq-create --record "$all" -N 8K any copy
same 'of 48 bytes' 48 "$(size_of any)"
random $((48 * 5000)) >blob
# The numbers that are none, signed zeros, the smallest and largest; text of NUL bytes, and ended in the middle.
perl -e 'for my $f (0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0x7f800001, 0x80000000, 0, 1, 0x7f7fffff, 0x00800000) {
             my $d = ($f & 0x80000000) << 32 | ($f & 0x7f800000 ? ($f & 0x7f800000) == 0x7f800000 ? 0x7ff << 52 : 0x3ff << 52 : 0) | ($f & 0x7fffff) << 29;
             print pack("Q Q L l a8 C4 S2 q", ~0, $d, $f, -2147483648, "a\0b\0", 0, 1, 2, 255, 0, 65535, -9223372036854775808) }' >>blob
check 'random bytes and odd ones come through, exactly' bash -c 'shmq-push -F fixed any <blob && shmq-pop -a -J any >json && shmq-push -J copy <json && shmq-pop -a -F fixed copy | cmp - blob'
check 'as JSON that jq reads' [ "$(jq -s length json)" = 5010 ]
check 'infinities are named' grep -q '"c":"Infinity".*' json
check 'both' grep -q '"c":"-Infinity"' json
check 'what is no number is named' grep -q '"c":"NaN",' json
check 'with its bits where they are not the usual ones' grep -q '"c":"NaN(0x7f800001)"' json
check 'zero has its sign' grep -q '"b":-0.0,"c":-0.0' json
check 'a bool that is neither is a number' grep -q '"f":\[false,true,2,255\]' json
check '64 bits survive' grep -q '"a":18446744073709551615,.*"h":-9223372036854775808' json
check 'NUL bytes behind the text are not in it' grep -q '"e":"a\\u0000b"' json
check 'what is not UTF-8 is base64' grep -q '"e":{"base64":"' json

put() { shmq-push -J any -d "$1" && shmq-pop -J -a any | jq -c "${2:-.}"; }
one() { local f='"a":1,"b":2,"c":3,"d":4,"e":"e","f":[true,false,true,false],"g":[1,2],"h":5'; echo "{$f}" | perl -pe "$1"; }
gives 'a null is a NaN' '"NaN"' put "$(one 's/"b":2/"b":null/')" .b
gives 'an integer is a number' 2 put "$(one '')" .b
gives 'an exponent is one too' 2500 put "$(one 's/"b":2/"b":2.5e3/')" .b
gives 'the least u64' 0 put "$(one 's/"a":1/"a":0/')" .a
works 'the largest f32' shmq-push -J -d "$(one 's/"c":3/"c":3.4028235e+38/')" any
gives 'comes out' "$(one 's/"c":3/"c":3.4028235e+38/')" shmq-pop -J -a any
gives 'a number too small for f32 is 0' 0 put "$(one 's/"c":3/"c":1e-60/')" .c
gives 'text as long as its field' '"12345678"' put "$(one 's/"e":"e"/"e":"12345678"/')" .e
gives 'no text' '""' put "$(one 's/"e":"e"/"e":""/')" .e
gives 'text of several bytes a letter' '"häßl"' put "$(one 's/"e":"e"/"e":"h\\u00e4\xc3\x9fl"/')" .e
gives 'base64' '"hi"' put "$(one 's/"e":"e"/"e":{"base64":"aGk="}/')" .e
gives 'bytes that are no text' '{"base64":"//4="}' put "$(one 's/"e":"e"/"e":{"base64":"\/\/4="}/')" .e
gives 'keys that begin with _ are ignored, whatever they hold' 1 put "$(one 's/^\{/{"_":{"a":[1,{"b":2}]},"_time":5,"_x":[[],{}],"_y":"z","_z":null,/')" .a
gives 'keys in any order, blanks' 1 put "$(one 's/"a":1,(.*)\}/$1 , "a" : 1 }/')" .a

# ---- what is refused ----------------------------------------------------------------------------
bad() { refuses 65 "$1" "$2" bash -c 'one=$1; printf "%s\n%s\n%s\n" "$2" "$one" "$2" | shmq-push -J any' - "$(one "$3")" "$(one '')"; }
bad 'any: line 2: no field d' 'a field that is missing' 's/"d":4,//'
check 'telling what was done' grep -qF '(after 1 message)' "$err"
gives 'what came before is in the ring, what comes behind is not' 1 field MSGS any
shmq-pop -a any >/dev/null
bad 'line 2: unknown field "x"' 'one that is not in the layout' 's/"d":4/"d":4,"x":1/'
bad 'line 2: unknown field "A"' 'one in other letters' 's/"a"/"A"/'
bad 'line 2: field d: there twice' 'one that is there twice' 's/"d":4/"d":4,"d":4/'
bad 'line 2: field a: found 18446744073709551616, expected an integer from 0 to 18446744073709551615' 'a number too large for u64' 's/"a":1/"a":18446744073709551616/'
bad 'line 2: field a: found -1' 'a negative one' 's/"a":1/"a":-1/'
bad 'line 2: field h: found 9223372036854775808' 'one too large for i64' 's/"h":5/"h":9223372036854775808/'
bad 'line 2: field h: found -9223372036854775809' 'one too small for i64' 's/"h":5/"h":-9223372036854775809/'
bad 'line 2: field d: found 2147483648' 'one too large for i32' 's/"d":4/"d":2147483648/'
bad 'line 2: field d: found 4.0, expected an integer' 'a fraction' 's/"d":4/"d":4.0/'
bad 'line 2: field d: found 1e3' 'an exponent' 's/"d":4/"d":1e3/'
bad 'line 2: field d: found a string' 'a number in a string' 's/"d":4/"d":"4"/'
bad 'line 2: field d: found null' 'null for an integer' 's/"d":4/"d":null/'
bad 'line 2: field d: found true' 'true for an integer' 's/"d":4/"d":true/'
bad 'line 2: field d: found an array' 'an array for an integer' 's/"d":4/"d":[4]/'
bad 'line 2: field d: found an object' 'an object for an integer' 's/"d":4/"d":{}/'
bad 'line 2: field c: found 3.5e38' 'a number too large for f32' 's/"c":3/"c":3.5e38/'
bad 'line 2: field c: found -1e39' 'or too small' 's/"c":3/"c":-1e39/'
bad 'line 2: field b: found 1e309' 'a number too large for f64' 's/"b":2/"b":1e309/'
bad 'line 2: field b: found a string' 'a name that is no number' 's/"b":2/"b":"nan"/'
bad 'line 2: field b: found a string' 'bits of a NaN that are none' 's/"b":2/"b":"NaN(0x1)"/'
bad 'line 2: field c: found a string' 'bits of a NaN that are too many' 's/"c":3/"c":"NaN(0x7ff8000000000001)"/'
bad 'line 2: field b: found false' 'false for a number' 's/"b":2/"b":false/'
bad 'line 2: field e: found 9 bytes, expected a string of at most 8' 'text that is too long' 's/"e":"e"/"e":"123456789"/'
bad 'line 2: field e: found 9 bytes' 'base64 that is too long' 's/"e":"e"/"e":{"base64":"MTIzNDU2Nzg5"}/'
bad 'line 2: field e: not base64' 'base64 that is none' 's/"e":"e"/"e":{"base64":"x"}/'
bad 'line 2: field e: found 5' 'base64 that is a number' 's/"e":"e"/"e":{"base64":5}/'
bad 'line 2: field e: found an empty object' 'an object without base64' 's/"e":"e"/"e":{}/'
bad 'line 2: field e: found an object with "hex"' 'another encoding' 's/"e":"e"/"e":{"hex":"00"}/'
bad 'line 2: field e: found an object with "base64"' 'base64 twice' 's/"e":"e"/"e":{"base64":"eA==","base64":"eA=="}/'
bad 'line 2: field e: found 1' 'a number for text' 's/"e":"e"/"e":1/'
bad 'line 2: field e: found null' 'null for text' 's/"e":"e"/"e":null/'
bad 'line 2: field e: found an array' 'an array for text' 's/"e":"e"/"e":["e"]/'
bad 'line 2: field g: found 1 elements, expected 2' 'an array that is too short' 's/"g":\[1,2\]/"g":[1]/'
bad 'line 2: field g: found 0 elements' 'an empty one' 's/"g":\[1,2\]/"g":[]/'
bad 'line 2: field g: found more than 2 elements' 'one that is too long' 's/"g":\[1,2\]/"g":[1,2,3]/'
bad 'line 2: field g\[1]: found 65536, expected an integer from 0 to 65535' 'a number in an array that is too large' 's/"g":\[1,2\]/"g":[1,65536]/'
bad 'line 2: field g\[0]: found an array' 'an array in an array' 's/"g":\[1,2\]/"g":[[1],2]/'
bad 'line 2: field g: found 1, expected an array of 2' 'a number for an array' 's/"g":\[1,2\]/"g":1/'
bad 'line 2: field f\[1]: found 1, expected true or false' 'a number for a bool' 's/true,false/true,1/'
bad 'line 2: field f\[1]: found 256' 'one that no byte holds' 's/true,false/true,256/'
bad 'line 2: field f\[1]: found null' 'null for a bool' 's/true,false/true,null/'
bad 'line 2: not a JSON object' 'an array for a record' 's/^.*$/[1]/'
bad 'line 2: not a JSON object' 'a number for a record' 's/^.*$/1/'
bad 'line 2: not a JSON document' 'an empty line' 's/^.*$//'
bad 'line 2: not a JSON document' 'an object that is cut short' 's/\}$//'
bad 'line 2: not a JSON document' 'two objects on a line' 's/$/{}/'
bad 'line 2: not a JSON document' 'bytes that are not UTF-8' 's/"e":"e"/"e":"\xff"/'
bad 'line 2: not a JSON document' 'a leading zero' 's/"a":1/"a":01/'
bad 'line 2: not a JSON document' 'NaN without quotes' 's/"b":2/"b":NaN/'
bad 'line 2: field d: found an array' 'arrays in arrays without end' 's/"d":4/q("d":) . "[" x 50000/e'
bad 'line 2: not a JSON document' 'the same where it is ignored' 's/"d":4/q("_d":) . "[" x 50000/e'
bad 'line 2: unknown field "data"' 'an envelope' 's/^.*$/{"data":"x"}/'
shmq-pop -a any >/dev/null
refuses 65 'any: message 2: no field a' '-d counts too' shmq-push -J -d "$(one '')" -d '{}' any
refuses 65 'not a JSON document' 'an empty -d' shmq-push -J -d '' any
gives 'the good one of them is in the ring' 1 field MSGS any
shmq-pop -a any >/dev/null

# ---- push and pop as ever -----------------------------------------------------------------------
three=$(one ''; one ''; one '')
gives 'push -c leaves the rest' "$(one '')" bash -c 'printf "%s\n" "$1" | { shmq-push -J -c 2 any; cat; }' - "$three"
gives 'pop -c' 1 bash -c 'shmq-pop -J -c 1 any | jq .a'
ends 0 'a look' shmq-pop -p -J any
cp "$out" looked
ends 0 'shows' shmq-pop -J -a any
same 'what pop shows' "$(cat looked)" "$(cat "$out")"
check 'the fields alone' jq -e 'keys == ["a","b","c","d","e","f","g","h"]' "$out"
works 'a last line without newline' bash -c 'printf %s "$1" | shmq-push -J any' - "$(one '')"
gives 'gives a record back' '' "$structs" back any any
ends 0 'which comes again' shmq-pop -J -a any
check 'and says so' jq -e '._redelivered == true and .a == 1' "$out"
works 'push takes it with that' bash -c 'shmq-push -J any' <"$out"
ends 0 'and pop' shmq-pop -J -a any
check 'says it no more' jq -e 'has("_redelivered") | not' "$out"
works 'a ring that overwrites' shmq-create --record n:u32 -N 2 --overflow overwrite latest
works 'five records' bash -c 'for n in 1 2 3 4 5; do echo "{\"n\":$n}"; done | shmq-push -J latest'
gives 'two are there, and how many are not' $'{"n":4,"_lost":3}\n{"n":5}' shmq-pop -J -a latest
works 'push takes it with that' shmq-push -J -d '{"n":4,"_lost":3}' latest
works 'a ring with times' shmq-create --record "$tick" --timestamps timed
before=$(date +%s%N)
works 'a record' shmq-push -J -d '{"id":1,"px":1,"sym":"x"}' timed
ends 0 'is shown' shmq-pop -p -J timed
check 'with its time' jq -e "keys_unsorted == [\"id\",\"px\",\"sym\",\"_time\"] and ._time >= $before" "$out"
works 'which push ignores' bash -c 'shmq-pop -J -a timed | shmq-push -J timed'
refuses 65 'exactly 24' 'other framings know the size' shmq-push -d 'a line' timed

# Records that are much longer than what says so: not all of them at once.
works 'a ring of long records' shmq-create --record 'text:char[600000]' -N 16 long
gives 'sixteen short objects in one go' 16 bash -c 'for i in $(seq 16); do echo "{\"text\":\"$i\"}"; done | shmq-push -J -n long; shmq-pop -J -a long | jq -s length'
check 'a long one' bash -c "perl -e 'print q({\"text\":\"), q(x) x 600000, qq(\"}\n)' >object; shmq-push -J long <object; shmq-pop -J -a long | cmp - object"
refuses 65 'line 1: field text: found 600001 bytes' 'one that is too long' bash -c "perl -e 'print q({\"text\":\"), q(x) x 600001, qq(\"}\n)' | shmq-push -J long"
refuses 65 'line 1: an object of more than' 'a line without end' bash -c "yes '{' | tr -d '\n' | shmq-push -J any"

# ---- layouts ------------------------------------------------------------------------------------
layout() { same "$1 is kept as $2, $3 bytes" "$2 $3" "$(shmq-create --replace --record "$1" -N 2 l && echo "$(record_of l) $(size_of l)")"; }
layout ' id : u32 , px : f64 ' 'id:u32,px:f64' 16
layout $'id:u32,\n px\t:f64 [ 2 ]' 'id:u32,px:f64[2]' 24
layout 'a:u8,b:u64@8' 'a:u8,b:u64' 16
layout 'a:u8@0,b:u64@16' 'a:u8,b:u64@16' 24
layout 'b:u64@8,a:u8@0' 'b:u64@8,a:u8@0' 16
layout 'a:u8,b:u32@1' 'a:u8,b:u32@1' 5
layout 'a:u32,b:u8,c:u64@5' 'a:u32,b:u8,c:u64@5' 13
layout 'a:char[1]' 'a:char[1]' 1
layout 'a:u8[1]' 'a:u8[1]' 1
layout 'u32:u32' 'u32:u32' 4
gives 'an array of one is an array' '{"a":[7]}' bash -c 'shmq-create --replace --record "a:u8[1]" l; shmq-push -J -d "{\"a\":[7]}" l; shmq-pop -J -a l'
gives 'fields that lie in another order' '{"b":2,"a":1}' bash -c 'shmq-create --replace --record "b:u64@8,a:u8@0" l; shmq-push -J -d "{\"a\":1,\"b\":2}" l; shmq-pop -J -a l'
same 'the room is 4 MiB' $(((4 << 20) / 24)) "$(shmq-create --replace --record "$tick" l && field SLOTS l)"

no_layout() { refuses 65 "--record: bad record layout: $2" "$3" shmq-create --record "$1" never; }
no_layout '' 'field 1: found nothing, expected a name' 'an empty layout'
no_layout 'a:u8,' 'field 2: found nothing' 'a comma too many'
no_layout 'a:u8,,b:u8' 'field 2: found nothing' 'nothing between commas'
no_layout 'u32 a' "field u32: found 'a', expected : and a type" 'as C has it'
no_layout 'a' 'field a: found nothing, expected : and a type' 'a name alone'
no_layout ':u8' "field 1: found ':u8', expected a name" 'a type alone'
no_layout '2a:u8' "field 1: found '2a'" 'a name that begins with a digit'
no_layout 'a-b:u8' "field a: found '-b:u8'" 'a name with a dash'
no_layout 'ä:u8' 'field 1' 'a name with other letters'
no_layout '_a:u8' 'field _a: names of fields do not begin with _' 'a name that begins with _'
no_layout 'a:u8,b:u8,a:u16' 'field a is there twice' 'a name twice'
no_layout 'a:u33' "field a: found 'u33', expected one of i8, i16" 'a type that is none'
no_layout 'a:U8' "field a: found 'U8'" 'a type in other letters'
no_layout 'a:' 'field a: found nothing, expected one of' 'no type'
no_layout 'a:char' 'field a: char needs a length' 'char without a length'
no_layout 'a:u8[0]' "field a: found '0', expected a length from 1" 'an array of none'
no_layout 'a:u8[-1]' "field a: found '-1]'" 'an array of less'
no_layout 'a:u8[]' "field a: found ']'" 'an array of nothing'
no_layout 'a:u8[010]' "field a: found '010'" 'a number that looks octal'
no_layout 'a:u8[2' 'field a: found nothing, expected ]' 'no bracket'
no_layout 'a:u8[2][2]' "field a: found '\[2]', expected @OFFSET or a comma" 'an array of arrays'
no_layout 'a:u8[99999999999999999999]' 'field a: found ' 'a number beyond numbers'
no_layout 'a:u64[134217729]' 'field a: found ' 'an array beyond a slot'
no_layout 'a:u8[1073741824],b:u8' 'field b: ends behind byte 1073741824' 'fields beyond a slot'
no_layout 'a:u8@x' "field a: found 'x', expected an offset" 'an offset that is no number'
no_layout 'a:u8@' 'field a: found nothing, expected an offset' 'no offset'
no_layout 'a:u8@1@2' "field a: found '@2', expected a comma" 'two offsets'
no_layout 'a:u64,b:u8@7' 'fields a and b overlap: a ends before byte 8, b begins at 7' 'fields that overlap'
no_layout 'a:u8@4,b:u32@0,c:u64@1' 'fields ' 'three that do'
no_layout 'a:u8;b:u8' "field a: found ';b:u8'" 'a semicolon'
no_layout 'a:u8 b:u8' "field a: found 'b:u8', expected \[N], @OFFSET or a comma" 'no comma'
no_layout "$(seq -s, 1 800 | sed 's/[0-9]*/n&:u8/g')" 'found ' 'more text than a ring keeps'
check 'saying how much' grep -qF 'bytes of text, expected at most 3584' "$err"
works 'as much as it keeps' shmq-create --record "$(seq -s, 1 450 | sed 's/[0-9]*/n&:u8/g')" -N 2 much
same 'is kept' "$(seq -s, 1 450 | sed 's/[0-9]*/n&:u8/g')" "$(record_of much)"
refuses 64 '--slot-size: found 32, but a record of this layout has 24 bytes' 'another slot size' shmq-create -s 32 --record "$tick" never
refuses 64 '24 bytes' 'another longest message' shmq-create --max-message 20 --record "$tick" never
refuses 64 '--record needs a value' '--record without a layout' shmq-create --record
works 'the same slot size, and --fixed' shmq-create -s 24 --fixed --record "$tick" same
works '--exist-ok with the same layout in other words' shmq-create --exist-ok --record ' id:u32@0 ,px:f64@8,sym : char[8]' same
refuses 76 'another geometry' 'not with another' shmq-create --exist-ok --record 'id:u32,px:f64,sim:char[8]' same
refuses 76 'another geometry' 'nor with none' shmq-create --exist-ok --fixed -s 24 same
same 'no ring was made of these' '' "$(ls "$SHMQ_DIR" | grep never)"

# ---- stat, and layouts that are none ------------------------------------------------------------
gives 'stat shows the layout' "$tick" shmq-stat -r --noheadings -o RECORD same
works 'a ring without one' shmq-create -N 16 without
gives 'has -' 'without -' shmq-stat -r --noheadings -o NAME,RECORD without
ends 0 'in JSON' shmq-stat -J same without
check 'it is a string or null' jq -e '[.rings[].record] == ["'"$tick"'", null]' "$out"
ends 0 'pop -J of a ring without one' bash -c 'shmq-push -d x without; shmq-pop -J -a without'
check 'is the envelope' jq -e '.data == "x"' "$out"

gives 'a program makes a ring with a text of its own' '' "$structs" make $'u64 id\n' free 8
for command in 'shmq-push -J -d {}' 'shmq-pop -J -a' 'shmq-pop -p -J'; do refuses 65 'free: bad record layout: field u64' "$command refuses it" $command free; done
gives 'which stat shows in one word' 'free u64?id?' shmq-stat -r --noheadings -o NAME,RECORD free
gives 'and other framings do not mind' 12345678 bash -c 'shmq-push -d 12345678 free; shmq-pop -a free'
gives 'one with a layout of another size' '' "$structs" make "$tick" wrong 32
for command in 'shmq-push -J -d {}' 'shmq-pop -J -a' 'shmq-pop -p -J'; do refuses 65 'wrong: its record layout describes 24 bytes, its messages have 32' "$command refuses it" $command wrong; done
gives 'one of messages of any size' '' "$structs" make "$tick" variable
for command in 'shmq-push -J -d {}' 'shmq-pop -J -a' 'shmq-pop -p -J'; do refuses 65 'variable: its record layout describes 24 bytes, its messages have no fixed size' "$command refuses it" $command variable; done
