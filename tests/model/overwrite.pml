/*
 * An overwrite ring as built: overwrite.cpp (take_overwriting, clear_place, retire), cursor.cpp (join, find,
 * copy_out, look_at_cursor, release), recovery.cpp (repair_hole, claimed_by_living). Names are theirs.
 * Positions, words, registers, deaths, stops and waiting are as in ring.pml; header and payload are
 * written and read in separate steps, so that half a message can be seen.
 *
 * Consumers compete for one cursor (default: read_position and its ordinal, taken by one CAS), or there is
 * one whose cursor that is (ONE_CONSUMER), or each has its own (BROADCAST).
 *
 * Checked: nothing torn, nothing before its commit is delivered; nothing twice to one cursor, and nothing
 * out of order (ordinals only grow); what was not overtaken is not missed, and at the end of the stream
 * what a cursor delivered and what it counted as lost are together all there was, exactly, where nobody
 * died; a place that a live producer may still write is taken by nobody else; a live producer's claim is
 * not abandoned; the newest message is there whenever no more than the spare slots are being written.
 * A producer waits only for one that is at work (it steps over a stopped one). Nobody is stuck: who
 * cannot go on waits until another writes something, so a state where all wait is an error, and so is
 * one where a look failed, nothing was written since, and the same look would follow.
 */
#ifndef C
#define C 1                 /* capacity */
#endif
#ifndef S
#define S 2                 /* slots there are: at least the capacity and the longest message */
#endif
#ifndef NP
#define NP 1
#endif
#ifndef NC
#define NC 1
#endif
#ifndef MSGS
#define MSGS 4              /* a producer */
#endif
#ifndef FIRST
#define FIRST MSGS          /* the first producer */
#endif
#ifndef MAXCRASH
#define MAXCRASH 1
#endif
#ifndef MAXSTOP
#define MAXSTOP 0
#endif
#ifndef STEPS
#define STEPS 0             /* how often a producer at work is stepped over: patience that was too short */
#endif
#ifdef ONES
#define SIZE n=1
#else
#define SIZE if :: n=1 :: n=2 fi
#endif
#if defined(BROADCAST) || defined(ONE_CONSUMER)
#define OWN_CURSOR
#endif

#define ALL (NP+NC+1)       /* participants 1..NP are producers, NP+1..NP+NC consumers */
#define NONE 255
#define END 128             /* the end bit inside write_position */
#define READY 1
#define ABANDONED 2
/* A word: lap 6 bits | state 2 bits. Laps start at 1. */
#define TAG(p) (((p)/S+1)<<2)
#define AGE(w,p) (((w)>>2)-((p)/S+1))
#define STATE(w) ((w)&3)
#define IS(w,p,s) (AGE(w,p)==0 && STATE(w)==(s))

byte word[S]; byte length[S]=1; byte sequence[S]; byte data[S];
byte write_position, write_ordinal, read_position, read_ordinal, free_position;
byte claim_position[NP+1]=NONE; byte claim_slots[NP+1];
bool alive[ALL];

byte fresh;                 /* for whom nothing was written since their look began */
byte crashes, stops, steps, producers_done;
/* What is checked only. */
byte owner[S];              /* who may write this slot */
byte ordinal_of[NP*MSGS+1]; bool committed[NP*MSGS+1];
bool skipped;               /* a claim that will never be a message: exact counts end */
#ifdef BROADCAST
#define CURSOR me-NP
byte got[NC+1], lost[NC+1], base_of[NC+1];
#else
#define CURSOR 1
byte got[2], lost[2], base_of[2];
bool delivered[NP*MSGS+1];
#endif

#ifdef MUT_TIMEOUT
#define LIVE(i) (false)     /* the owner was given its time and is presumed dead */
#else
#define LIVE(i) (alive[i])
#endif

#if MAXCRASH > 0
#define OR_DIE  :: d_step{ crashes<MAXCRASH -> crashes++; alive[me]=0; fresh=0 }; goto dead
#else
#define OR_DIE
#endif
#if MAXSTOP > 0
#define OR_STOP :: d_step{ stops<MAXSTOP -> stops++; stopped[me]=1; fresh=0 }; goto end_stopped
bool stopped[ALL];
#define STOPPED(i) (stopped[i])
#else
#define OR_STOP
#define STOPPED(i) (false)
#endif
/* A shared write; and a shared CAS, which sets ok and writes only then. */
#define WRITE(s) if :: d_step{ s; fresh=0 } OR_DIE OR_STOP fi
#define CAS(v,from,to) if :: d_step{ if :: v==(from) -> v=to; ok=1; fresh=0 :: else -> ok=0 fi } OR_DIE OR_STOP fi
#define WITHDRAW if :: claim_position[me]!=NONE -> WRITE(claim_position[me]=NONE) :: else fi
#ifdef SPLIT
/* The register is two words: slots first, so that who reads the position first never sees too few. */
#define ANNOUNCE(p,n) if :: claim_slots[me]!=(n) -> WRITE(claim_slots[me]=n) :: else fi; WRITE(claim_position[me]=p)
#else
#define ANNOUNCE(p,n) WRITE(claim_slots[me]=n; claim_position[me]=p)
#endif

/* The newest message is there: nothing newer is needed to make up for it. Asked where free_position or
   write_position moves; q runs down from write_position over what is being written. */
#ifdef NEWEST
inline newest_is_there() {
  q=write_position&127;
  do
  :: q>free_position && q+S>(write_position&127) && !IS(word[(q-1)%S],q-1,READY) -> q--
  :: else -> break
  od;
  k=1; do :: k<=NP*MSGS && !committed[k] -> k++ :: else -> break od;   /* any at all? */
  assert(k>NP*MSGS || crashes>0 || (q>free_position && q+S>(write_position&127)));
  q=0; k=0
}
#else
#define newest_is_there() skip
#endif

proctype Producer(byte me; byte base) {
  byte i, n, t, o, clear_until, place, b, again, q, k, f, retire_to; bool ok, counted;
next: skip;
  if :: i>=(me==1 -> FIRST : MSGS) -> goto finished :: else fi;
  SIZE;
take: skip;
#ifdef SPLIT
  d_step{ t=write_position; fresh=fresh|(1<<me) };
  o=write_ordinal;                                          /* perhaps of another moment: then the CAS fails */
#else
  d_step{ t=write_position; o=write_ordinal; fresh=fresh|(1<<me) };
#endif
  if :: t>=END -> goto finished :: else fi;
#ifndef MUT_NO_REGISTERS
  if
  :: t+n>clear_until ->
     /* clear_place() */
     place=t;
from_there: skip;
     d_step{ clear_until=place+S; q=1 };
     do
     :: q<=NP ->
#ifdef SPLIT
        b=claim_position[q];
        k=claim_slots[q];
#else
        d_step{ b=claim_position[q]; k=claim_slots[q] };
#endif
        d_step{
          if
          :: q!=me && b<t ->
             again=b+S;
#ifdef MUT_ONE_LAP
             if :: again+k<=place -> again=END :: else fi;
#else
             do :: again+k<=place -> again=again+S :: else -> break od;       /* where its place comes round next */
#endif
             if
             :: again<place+n && LIVE(q) -> place=again+k; ok=1; counted=STOPPED(q)
             :: again>=place+n && again<clear_until -> clear_until=again
             :: else
             fi
          :: else
          fi;
          again=0; b=0; k=0; q++ };
        if
        :: ok -> ok=0;
           if :: place-t<=S -> goto from_there
              :: else -> place=NONE; break fi
        :: else
        fi
     :: else -> break
     od;
     q=0;
     if
     :: place!=t ->
        clear_until=0;
        WITHDRAW;
        if
        :: place==NONE ->                                   /* stopped ones leave no place: it must wait */
           d_step{ place=0; counted=0; t=0; o=0 };
           if
           :: !(fresh&(1<<me)) -> goto take
#if MAXSTOP > 0
           :: stops==MAXSTOP -> goto finished
#endif
           fi
        :: place!=NONE ->
           if
           :: counted ->
step_over: skip;
              if
              :: d_step{ if :: write_position==t && write_ordinal==o -> write_position=place; skipped=1; fresh=0 :: else fi }
              OR_DIE OR_STOP
              fi
#if STEPS > 0
           :: d_step{ !counted && steps<STEPS -> steps++ }; goto step_over
#endif
           :: !counted && !(fresh&(1<<me))                  /* it is at work: patience */
           fi
        fi;
        d_step{ place=0; counted=0; t=0; o=0 };
        goto take
     :: else -> place=0; counted=0
     fi
  :: else
  fi;
#endif
  ANNOUNCE(t,n);
#ifdef MUT_WRITE_BEFORE_MOVE
  WRITE(length[t%S]=n; sequence[t%S]=o);
#endif
  if
  :: d_step{
       if
       :: write_position==t && write_ordinal==o ->
          write_position=t+n; write_ordinal=o+1; ok=1; fresh=0; ordinal_of[base+i]=o;
          k=t; do :: k<t+n -> assert(owner[k%S]==0 || !alive[owner[k%S]]); owner[k%S]=me; k++ :: else -> break od; k=0;
          newest_is_there()
       :: else
       fi }
  OR_DIE OR_STOP
  fi;
  if :: !ok -> goto take :: else fi;
  d_step{ ok=0; o=0; if :: t+n>C -> retire_to=t+n-C :: else -> retire_to=0 fi };
#ifndef MUT_WRITE_BEFORE_MOVE
  WRITE(length[t%S]=n; sequence[t%S]=ordinal_of[base+i]);
#endif
  WRITE(data[t%S]=base+i);
  if :: n==2 -> WRITE(data[(t+1)%S]=base+i) :: else fi;
#ifdef MUT_RETIRE_FIRST
  WRITE(if :: retire_to>free_position -> free_position=retire_to :: else fi; newest_is_there());
#endif
  /* COMMIT. The word may be of a newer lap, where others have repaired what was stepped over; never of ours. */
  WRITE(assert(AGE(word[t%S],t)!=0); word[t%S]=TAG(t)|READY; committed[base+i]=1; i++;
        k=t; do :: k<t+n -> owner[k%S]=0; k++ :: else -> break od; k=0);
  d_step{ t=0; n=0 };
  WITHDRAW;
  /* retire() */
  f=free_position;
  do
  :: f<retire_to ->
     if
     :: d_step{ if :: free_position==f -> free_position=retire_to; ok=1; fresh=0; newest_is_there() :: else -> f=free_position fi }
     OR_DIE OR_STOP
     fi;
     if :: ok -> ok=0; break :: else fi
  :: else -> break
  od;
  f=0; retire_to=0;
  goto next;
finished: skip;
#ifdef END_RACE
  WRITE(write_position=write_position|END);                 /* any producer may end the stream at any time */
#endif
  WITHDRAW;
  goto gone;
dead: skip;
  d_step{ k=0; do :: k<S -> if :: owner[k]==me -> owner[k]=0 :: else fi; k++ :: else -> break od; k=0 };
#ifdef RESPAWN
  d_step{ n=0; t=0; o=0; clear_until=0; place=0; b=0; again=0; q=0; k=0; f=0; retire_to=0; ok=0; counted=0;
    alive[me]=1; fresh=0;                                   /* the lock first, */
    do :: i<MSGS && committed[base+i] -> i++ :: else -> break od; skip };
  WITHDRAW;                                                 /* then the register */
  goto next;
#endif
gone: skip;
  d_step{ i=0; n=0; t=0; o=0; clear_until=0; place=0; b=0; again=0; q=0; k=0; f=0; retire_to=0; ok=0; counted=0;
    alive[me]=0; producers_done++; fresh=0 };
  goto end;
end_stopped: false;
end: skip
}

/* Of [from, to): how far does no live producer cover it? Left in `to`. */
inline unclaimed_until(from) {
  q=1;
  do
  :: q<=NP && from<to ->
     d_step{
       if :: LIVE(q) && claim_position[q]!=NONE && claim_position[q]<to && claim_position[q]+claim_slots[q]>from ->
             to=(claim_position[q]>from -> claim_position[q] : from)
          :: else fi;
       q++ }
  :: else -> break
  od;
  q=0
}

#ifdef MUT_FREE_IS_ALL
#define BEHIND(w,p) (false)                                 /* whatever free_position has not passed is there */
#define CORRECT(w0,p) (true)
#else
#define BEHIND(w,p) (w>p+S)                                 /* whoever wrote there has not retired it yet */
#define CORRECT(w0,p) (AGE(w0,p)<0 || IS(w0,p,ABANDONED))
#endif
#ifdef MUT_POSITION_ALONE
#define TAKEN (read_position==p0)
#define NEW_ORDINAL read_ordinal
#else
#define TAKEN (read_position==p0 && read_ordinal==e0)
#define NEW_ORDINAL e1+1
#endif
#define NOTHING_MISSED assert(e1>=e0 && (jumped || e1==e0 || skipped || crashes>0))
#define FOUND_MESSAGE 1
#define FOUND_END 2
#define FOUND_HOLE 3
/* find(): from p to the next message; sets p, jumped, found. */
inline find() {
  found=0;
  do
  :: found==0 ->
     f=free_position;
     if :: f>p -> p=f; jumped=1 :: else fi;
     w0=word[p%S];
     d_step{
       w=write_position&127;
       f=0;
       assert(p<=w);                                        /* else corrupt */
       if
       :: p==w -> found=FOUND_END
       :: p<w && BEHIND(w,p) -> p=w-S; jumped=1
       :: p<w && !BEHIND(w,p) && IS(w0,p,READY) -> found=FOUND_MESSAGE
       :: else ->
          assert(CORRECT(w0,p));
          if :: AGE(w0,p)<0 && !jumped -> found=FOUND_HOLE
             :: else -> p++ fi
       fi;
       w=0; w0=0 }
  :: else -> break
  od
}
/* copy_out(): header, payload, then write_position once more. Sets ok, n, e1, d. */
inline copy_out() {
#ifdef MUT_CHECK_BEFORE_COPY
  w=write_position&127;
#endif
  d_step{ n=length[p%S]; e1=sequence[p%S] };
  d=data[p%S];
  if :: n==2 -> d_step{ if :: data[(p+1)%S]!=d -> d=0 :: else fi } :: else fi;  /* 0: torn */
#ifndef MUT_CHECK_BEFORE_COPY
  w=write_position&127;
#endif
#ifdef MUT_NO_CHECK
  w=0;
#endif
  d_step{ ok=(w<=p+S); w=0 }
}

proctype Consumer(byte me) {
  byte p, p0, e0, t, f, w, w0, w1, n, e1, d, to, q, found; bool ok, jumped;
#ifdef OWN_CURSOR
  byte next, expected;
#endif
join: skip;
#ifdef BROADCAST
  d_step{ next=free_position; fresh=fresh|(1<<me) };
joining: skip;
  t=write_position&127;                                     /* load_whole_pair() */
  e0=write_ordinal;
  if :: (write_position&127)!=t -> goto joining :: else fi;
  d_step{ p=next; jumped=1; fresh=fresh|(1<<me) };
  find();
  if
  :: found==FOUND_MESSAGE ->
     copy_out();
     if :: !ok -> !(fresh&(1<<me)) -> goto joining :: else fi;
     d_step{ next=p; expected=e1; ok=0 }
  :: else -> d_step{ next=t; expected=e0 }
  fi;
  d_step{ base_of[CURSOR]=expected; got[CURSOR]=0; lost[CURSOR]=0; p=0; n=0; e0=0; e1=0; d=0; t=0; jumped=0; found=0 };
#endif
#ifdef ONE_CONSUMER
  next=read_position; expected=read_ordinal;                /* nobody else moves them */
#endif
look: skip;
#ifdef OWN_CURSOR
  d_step{ p=next; e0=expected; p0=next; jumped=0; t=write_position; fresh=fresh|(1<<me) };
#else
#ifdef SPLIT
  d_step{ p0=read_position; p=p0; jumped=0; fresh=fresh|(1<<me) };
  e0=read_ordinal;                                          /* perhaps of another moment: then the CAS fails */
  t=write_position;
#else
  d_step{ p0=read_position; e0=read_ordinal; t=write_position; p=p0; jumped=0; fresh=fresh|(1<<me) };
#endif
#endif
  find();
#ifdef OWN_CURSOR
  if
  :: !jumped && p!=next ->                                  /* abandoned slots are behind us */
#ifdef ONE_CONSUMER
     WRITE(read_position=p);
#endif
     next=p; p0=p
  :: else
  fi;
#ifdef MUT_FORGET_JUMP
  if :: jumped && found==FOUND_END -> next=p :: else fi;
#endif
#endif
  if
  :: found==FOUND_MESSAGE ->
     copy_out();
     if :: !ok -> goto wait :: else fi;                     /* overtaken: the same look at once would be in vain */
     d_step{ ok=0; assert(d!=0 && committed[d] && ordinal_of[d]==e1) };
#ifdef OWN_CURSOR
     /* It is used, and released; or not, and comes again. */
     d_step{ NOTHING_MISSED; got[CURSOR]++; if :: jumped && e1>e0 -> lost[CURSOR]=lost[CURSOR]+e1-e0 :: else fi; next=p+n; expected=e1+1; fresh=fresh|(1<<me) };
#ifdef ONE_CONSUMER
     WRITE(read_position=next; read_ordinal=expected)
#endif
#else
     if
     :: d_step{
          if
          :: TAKEN ->
             read_position=p+n; read_ordinal=NEW_ORDINAL; fresh=0; ok=1;
             NOTHING_MISSED; assert(!delivered[d]); delivered[d]=1; got[1]++; if :: jumped && e1>e0 -> lost[1]=lost[1]+e1-e0 :: else fi
          :: else
          fi }
     OR_DIE OR_STOP
     fi;
#ifdef MUT_POSITION_ALONE
     if :: ok -> WRITE(read_ordinal=e1+1) :: else fi
#else
     skip
#endif
#endif
  :: found==FOUND_HOLE ->
     /* repair_hole() */
     w0=word[p%S];
     w=write_position&127;
     if
     :: AGE(w0,p)>=0 || w<=p || w>p+S -> goto again
     :: else
     fi;
     to=p+1;
     if :: p+1<w -> d_step{ w1=word[(p+1)%S]; if :: AGE(w1,p+1)<0 -> to=p+2 :: else fi } :: else fi;
     unclaimed_until(p);
     if
     :: to==p -> goto wait
     :: else ->
        CAS(word[p%S],w0,TAG(p)|ABANDONED);
        if :: ok && to>p+1 -> CAS(word[(p+1)%S],w1,TAG(p+1)|ABANDONED) :: else fi
     fi
  :: found==FOUND_END ->
     if
     :: t==(END|p) ->
#ifndef MUT_END_TOO_EARLY
        /* On the way here it may have stepped over what somebody is about to commit. */
        if
        :: jumped ->
           to=p; if :: p>S -> w=p-S :: else -> w=0 fi;
           unclaimed_until(w);
           if :: to!=p -> goto wait :: else fi
        :: else
        fi;
#endif
        goto ended
     :: else -> goto wait
     fi
  fi;
again: skip;
  d_step{ p=0; p0=0; e0=0; t=0; f=0; w=0; w0=0; w1=0; n=0; e1=0; d=0; to=0; q=0; found=0; ok=0; jumped=0 };
  goto look;
wait: skip;
  d_step{ p0=0; e0=0; t=0; f=0; w=0; w0=0; w1=0; n=0; e1=0; d=0; to=0; q=0; ok=0; jumped=0 };
  if
  :: !(fresh&(1<<me)) -> goto again
#if MAXSTOP > 0
  :: timeout && stops==MAXSTOP && (fresh&(1<<me)) ->
     d_step{
       /* For ever only behind one that was stopped: at its claim, or where its next message will be. */
       q=1; do :: q<=NP && !(stopped[q] && claim_position[q]<=p && claim_position[q]+claim_slots[q]>p) -> q++ :: else -> break od;
       assert(found==FOUND_END || (found==FOUND_HOLE && q<=NP)); q=0 };
     goto gone
#endif
  fi;
ended: skip;
  /* Nothing will come any more, and all there was is accounted for. */
  d_step{ q=0; do :: q<S -> assert(owner[q]==0 || !alive[owner[q]]); q++ :: else -> break od; q=0;
    assert(skipped || crashes>0 || got[CURSOR]+lost[CURSOR]+base_of[CURSOR]==write_ordinal) };
  goto gone;
dead: skip;
  d_step{ p=0; p0=0; e0=0; t=0; f=0; w=0; w0=0; w1=0; n=0; e1=0; d=0; to=0; q=0; found=0; ok=0; jumped=0;
#ifdef OWN_CURSOR
    next=0; expected=0;
#endif
    alive[me]=1; fresh=0 };
#ifdef CRESPAWN
  goto join;
#endif
gone: skip;
  d_step{ alive[me]=0; p=0; p0=0; e0=0; t=0; f=0; w=0; w0=0; w1=0; n=0; e1=0; d=0; to=0; q=0; found=0; ok=0; jumped=0; fresh=0
#ifdef OWN_CURSOR
    ; next=0; expected=0
#endif
  };
  goto end;
end_stopped: false;
end: skip
}

init {
  byte i;
  atomic {
    i=1; do :: i<=NP -> alive[i]=1; run Producer(i, 1+(i-1)*MSGS); i++ :: else -> break od;
    i=1; do :: i<=NC -> alive[NP+i]=1; run Consumer(NP+i); i++ :: else -> break od;
    i=0
  };
  /* Whoever watches sees that no producer is left, and ends the stream for them. */
end: d_step{ producers_done==NP -> write_position=write_position|END; fresh=0 }
}
