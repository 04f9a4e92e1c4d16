/*
 * The ring as built: ring.hpp (take, read, commit, the batches), ring.cpp (look_for_room, take_over,
 * look_at_read_position, look, hand_back, end) and recovery.cpp (repair_at_read_position, find_orphan,
 * unclaimed_until, advance_free). Names are theirs. README.md says what is left out; run lists the
 * configurations.
 *
 * One Promela step touches one shared variable, as one atomic instruction of the program does. A
 * participant may die (or, with MAXSTOP, stop for ever) in front of every shared write; to die between
 * two reads is to die before the next write, for nobody can tell. Its entry may be taken at once by a
 * new process, which is alive before it has wiped the register of the dead one.
 *
 * Waiting. A participant whose look found nothing would only look again. It blocks until somebody has
 * written something since its look began (`fresh` holds those for whom nobody has). That loses no
 * behaviour, and a state in which all block is an invalid end state: a ring that is stuck. So spin's
 * own search for such states checks that survivors and newcomers always come to the end.
 *
 * Checked besides: nothing torn, nothing overwritten while it is held, nothing read before its commit,
 * nothing delivered twice, nothing of a live producer abandoned, one producer's messages in order and
 * without a gap that was not dropped (a killed push leaves a prefix), no content ever taken for
 * corrupt, positions never backwards, and at the end of stream everything committed was delivered.
 */
#ifndef N
#define N 2                 /* slots, all of them usable: capacity == slots is the hardest case */
#endif
#ifndef NP
#define NP 1
#endif
#ifndef NC
#define NC 1
#endif
#ifndef MSGS
#define MSGS 2              /* a producer */
#endif
#ifndef MAXCRASH
#define MAXCRASH 1
#endif
#ifndef MAXSTOP
#define MAXSTOP 0
#endif
#ifndef HANDBACKS
#define HANDBACKS 0         /* messages or batches handed back by live consumers */
#endif
#ifndef PBATCH
#define PBATCH 1            /* messages a push may claim together */
#endif
#ifndef CBATCH
#define CBATCH 1            /* messages a pop_batch may claim together */
#endif
#ifndef PAYLOAD
#define PAYLOAD 2           /* what payload looks like to somebody who takes it for a length, in slots */
#endif
#ifndef STRETCH
#define STRETCH 2           /* words that one repair reads before it scans the registers: 512 in the program */
#endif
/* Slots of a message. Without any of these one or two, as it comes (not with PBATCH > 1). */
#ifdef ONES
#define SIZE(id) 1
#endif
#ifdef ALTERNATE
#define SIZE(id) (1+((id)&1))
#endif
#ifdef TWO_FROM
#define SIZE(id) ((id)<TWO_FROM -> 1 : 2)
#endif

#define ALL (NP+NC+1)       /* participants 1..NP are producers, NP+1..NP+NC consumers */
#define NONE 255
#define END 128             /* the end bit inside write_position */
#define VACANT 0
#define READY 1
#define ABANDONED 2
#define DONE 3
/* A word: lap 4 bits | attempt 2 bits | state 2 bits. Laps start at 1. */
#define TAG(p) (((p)/N+1)<<4)
#define AGE(w,p) (((w)>>4)-((p)/N+1))
#define STATE(w) ((w)&3)
#define IS(w,p,s) (AGE(w,p)==0 && STATE(w)==(s))
#define NEXT_ATTEMPT(w) (((w)&12)==12 -> ((w)&243)|4 : (w)+4)

byte word[N]; byte length[N]=1; byte data[N];
byte write_position, read_position, free_position;
byte claim_position[ALL]=NONE; byte claim_slots[ALL];
bool alive[ALL];

byte fresh;                 /* for whom nothing was written since their look began */
byte crashes, stops, hands, producers_done, consumers_gone;
bool committed[NP*MSGS+1]; bool delivered[NP*MSGS+1]; bool dropped[NP*MSGS+1];

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
#define OR_STOP :: d_step{ stops<MAXSTOP -> stops++ }; goto end_stopped
#else
#define OR_STOP
#endif
/* A shared write; and a shared CAS, which sets ok and writes only then. */
#define WRITE(s) if :: d_step{ s; fresh=0 } OR_DIE OR_STOP fi
#define CAS(v,from,to) if :: d_step{ if :: v==(from) -> v=to; ok=1; fresh=0 :: else -> ok=0 fi } OR_DIE OR_STOP fi

#ifdef SPLIT
/* The register is two words: slots first, so that who reads the position first never sees too few. */
#define ANNOUNCE(p,n) if :: claim_slots[me]!=(n) -> WRITE(claim_slots[me]=n) :: else fi; WRITE(claim_position[me]=p)
#else
#define ANNOUNCE(p,n) WRITE(claim_slots[me]=n; claim_position[me]=p)
#endif
#define WITHDRAW if :: claim_position[me]!=NONE -> WRITE(claim_position[me]=NONE) :: else fi

/* After a CAS that failed, before looking on and perhaps sleeping. */
#ifdef MUT_STALE_REGISTER
#define LEAVE_REGISTER skip
#else
#define LEAVE_REGISTER WITHDRAW
#endif

/* Of [from, to): how far does nobody alive of first..last cover it? Left in `to`. */
inline unclaimed_until(first, last, from) {
  q=first;
  do
  :: q<=last && from<to ->
#ifdef SPLIT
     b=claim_position[q];
     if
     :: q!=me && b!=NONE && b<to ->
        e=b+claim_slots[q];
        if :: e>from -> d_step{ if :: LIVE(q) -> to=(b>from -> b : from) :: else fi } :: else fi
     :: else
     fi;
     q++
#else
     d_step{
       if :: q!=me && LIVE(q) && claim_position[q]!=NONE && claim_position[q]<to && claim_position[q]+claim_slots[q]>from ->
             to=(claim_position[q]>from -> claim_position[q] : from)
          :: else fi;
       q++ }
#endif
  :: else -> break
  od;
#ifdef SPLIT
  skip; d_step{ b=0; e=0; q=0 }
#else
  q=0
#endif
}

#ifdef MUT_FREE_PAST
#define FREEABLE (true)
#else
#define FREEABLE (fh>ff && fh-ff<=N)    /* never past read_position */
#endif
inline advance_free() {
  ff=free_position;
  do
  :: fh=read_position;
     if :: FREEABLE -> skip :: else -> break fi;
     fw=word[ff%N];
     if
     :: IS(fw,ff,DONE) -> fh=length[ff%N]      /* perhaps no longer this message's: then the CAS fails */
     :: IS(fw,ff,ABANDONED) -> fh=1
     :: else -> break
     fi;
     CAS(free_position,ff,ff+fh);
     if :: ok -> ff=ff+fh :: else -> ff=free_position fi
  od;
  skip; d_step{ ff=0; fh=0; fw=0; ok=0 }
}

/* The rest of repair_at_read_position: h, then w0 = word[h], then w = write_position were read.
   Sets res. */
#define NOTHING 0
#define REPAIRED 1
#define HELD 2
#ifdef MUT_NO_LAP
#define STALE(w0,h) (AGE(w0,h)==0 && STATE(w0)!=ABANDONED)
#define HOLE(w0,h) (AGE(w0,h)!=0)
#else
#define STALE(w0,h) (AGE(w0,h)>0 || (AGE(w0,h)==0 && STATE(w0)!=ABANDONED))
#define HOLE(w0,h) (AGE(w0,h)<0)
#endif
#ifdef MUT_PLAIN_STEP
#define STEP_OVER if :: me>NP -> WRITE(read_position=h+1; ok=1) :: else -> CAS(read_position,h,h+1) fi
#else
#define STEP_OVER CAS(read_position,h,h+1)
#endif
inline repair() {
  res=REPAIRED;
  if
  :: w==h -> res=NOTHING
  :: w!=h && (w<h || w-h>N) -> assert(read_position!=h)           /* else corrupt */
  :: w>h && w-h<=N && STALE(w0,h) ->
     if :: read_position!=h -> skip
        :: else -> assert(word[h%N]!=w0) fi                        /* else corrupt */
  :: else ->
     ok=1;
     if
     :: HOLE(w0,h) ->
        to=h+1;
#if STRETCH > 1
        if :: h+1<w -> d_step{ w1=word[(h+1)%N]; if :: HOLE(w1,h+1) -> to=h+2 :: else fi } :: else fi;
#endif
        unclaimed_until(1, NP, h);
        if
        :: to==h -> res=HELD
        :: else ->
           CAS(word[h%N],w0,TAG(h)|ABANDONED);
           if :: ok && to>h+1 -> CAS(word[(h+1)%N],w1,TAG(h+1)|ABANDONED) :: else fi
        fi;
        d_step{ to=0; w1=0 }
     :: else
     fi;
     if
     :: res==HELD
     :: else ->
        ok=1;
        do
        :: h<w ->
           w0=word[h%N];
           if :: IS(w0,h,ABANDONED) -> STEP_OVER; if :: ok -> h++ :: else -> break fi
              :: else -> break fi
        :: else -> break
        od;
        if :: ok -> advance_free() :: else fi
     fi
  fi;
  d_step{ h=0; w=0; w0=0; ok=0 }
}

#ifdef ONE_PRODUCER
#define MOVE_WRITE WRITE(assert(write_position==t); write_position=t+n; ok=1)   /* a plain store */
#else
#define MOVE_WRITE CAS(write_position,t,t+n)
#endif
#ifdef ONE_CONSUMER
#define MOVE_READ(to) WRITE(assert(read_position==h); read_position=to; ok=1)   /* a plain store: never backwards */
#else
#define MOVE_READ(to) CAS(read_position,h,to)
#endif

proctype Producer(byte me; byte base) {
  byte i, m, n, k, t, limit, p;
  byte h, w, w0, w1, to, q, res, ff, fh, fw; bool ok;
#ifdef SPLIT
  byte b, e;
#endif
next:
  if :: i>=MSGS -> goto finished :: else fi;
  /* As many messages as one claim shall cover, and their slots. */
#ifdef SIZE
  d_step{ m=1; n=SIZE(base+i) };
  do
  :: m<PBATCH && i+m<MSGS && n+SIZE(base+i+m)<=N -> d_step{ n=n+SIZE(base+i+m); m++ }
  :: break
  od;
#else
  m=1; if :: n=1 :: n=2 fi;
#endif
look_for_room: skip;
  d_step{ t=write_position; fresh=fresh|(1<<me) };
  if :: t>=END -> goto finished :: else fi;
  limit=free_position;
  if :: t<limit -> goto look_for_room :: else fi;          /* t is stale */
  assert(t-limit<=N);                                       /* else corrupt */
  if :: t+n-limit<=N -> limit=limit+N; goto take :: else fi;
  advance_free();
  if :: free_position!=limit -> goto look_for_room :: else fi;
  h=read_position;
  w0=word[h%N];
  if
  :: IS(w0,h,READY) -> res=NOTHING; h=0; w0=0
#ifndef MUT_NO_PRODUCER_REPAIR
  :: else -> d_step{ w=write_position&127 }; repair()
#else
  :: else -> res=NOTHING; h=0; w0=0
#endif
  fi;
  if :: res==REPAIRED -> goto look_for_room :: else fi;
#ifdef SIZE
  if :: m>1 -> m=1; n=SIZE(base+i); goto look_for_room :: else fi;   /* the first waits for its room alone */
#endif
  d_step{ t=0; limit=0; res=0 };
  /* full */
  if
  :: !(fresh&(1<<me)) -> goto look_for_room
#if NC == 0
  :: IS(word[read_position%N],read_position,READY) -> goto finished   /* really full: only a consumer can help */
#else
  :: consumers_gone==NC -> goto finished
#endif
  fi;
take:
#ifdef MUT_LATE_REGISTER
  MOVE_WRITE; if :: !ok -> goto look_for_room :: else fi;
  ANNOUNCE(t,n);
#else
  ANNOUNCE(t,n);
  MOVE_WRITE;
  if
  :: !ok ->
     t=write_position;                                       /* what the failed CAS saw, or later */
     if :: t+n<=limit -> goto take
        :: else -> LEAVE_REGISTER; goto look_for_room fi
  :: else
  fi;
#endif
  d_step{ limit=0; ok=0; k=0; p=t; res=0 };
#ifdef DROPS
  /* The claim is dropped, or committed shorter than it was claimed. */
  if
  :: k=1
  :: m==1 && n==2 -> k=2
  :: skip
  fi;
  if
  :: k!=0 ->
     p=(k==1 -> t : t+1);
     do
     :: p<t+n -> WRITE(assert(AGE(word[p%N],p)<0); word[p%N]=TAG(p)|ABANDONED); p++
     :: else -> break
     od;
     if
     :: k==1 -> d_step{ dropped[base+i]=1; i++; k=0; p=0 };
#if PBATCH > 1
        d_step{ do :: m>1 -> dropped[base+i]=1; i++; m-- :: else -> break od; skip };
#endif
        goto withdraw
     :: else -> n=1; k=0; p=t
     fi
  :: else
  fi;
#endif
  /* Header and payload of all. */
  k=0;
  do
  :: k<m ->
#ifdef SIZE
     if :: m==1 -> w=n :: else -> w=SIZE(base+i+k) fi;
#else
     w=n;
#endif
#ifdef SPLIT
     WRITE(data[p%N]=base+i+k; length[p%N]=w);
     if :: w==2 -> WRITE(data[(p+1)%N]=base+i+k; length[(p+1)%N]=PAYLOAD) :: else fi;
#else
     WRITE(data[p%N]=base+i+k; length[p%N]=w; if :: w==2 -> data[(p+1)%N]=base+i+k; length[(p+1)%N]=PAYLOAD :: else fi);
#endif
     d_step{ p=p+w; k++; w=0 }
  :: else -> break
  od;
#ifdef MUT_EARLY_WITHDRAW
  WITHDRAW;
#endif
  /* COMMIT, each in its turn. */
#ifdef MUT_DESCENDING
  do
  :: k>0 ->
     d_step{ k--; p=p-length[(p-1)%N] };
     WRITE(assert(AGE(word[p%N],p)<0); word[p%N]=TAG(p)|READY; committed[base+i+k]=1)
  :: else -> break
  od;
  skip; d_step{ i=i+m; p=0 };
#else
  p=t;
  do
  :: k>0 ->
     WRITE(assert(AGE(word[p%N],p)<0); word[p%N]=TAG(p)|READY; committed[base+i]=1; p=p+length[p%N]; i++; k--)
  :: else -> break
  od;
  p=0;
#endif
withdraw: skip;
  d_step{ t=0; n=0; m=0 };
  WITHDRAW;
  goto next;
finished:
#ifdef END_RACE
  WRITE(write_position=write_position|END);                  /* any producer may end the stream at any time */
#endif
  WITHDRAW;
  goto gone;
dead: skip;
#ifdef RESPAWN
  d_step{ m=0; n=0; k=0; t=0; limit=0; p=0; h=0; w=0; w0=0; w1=0; to=0; q=0; res=0; ff=0; fh=0; fw=0; ok=0;
#ifdef SPLIT
    b=0; e=0;
#endif
    alive[me]=1; fresh=0;                                     /* the lock first, */
    do :: i<MSGS && (committed[base+i] || dropped[base+i]) -> i++ :: else -> break od; skip };
  WITHDRAW;                                                   /* then the register */
  goto next;
#endif
gone: skip;
  d_step{ i=0; m=0; n=0; k=0; t=0; limit=0; p=0; h=0; w=0; w0=0; w1=0; to=0; q=0; res=0; ff=0; fh=0; fw=0; ok=0;
#ifdef SPLIT
    b=0; e=0;
#endif
    alive[me]=0; producers_done++; fresh=0 };
  goto end;
end_stopped: false;
end: skip
}

/* The message at x is whole, committed, still READY, and this is its one delivery. */
inline deliver(x) {
  assert(IS(word[(x)%N],x,READY));
  assert(committed[data[(x)%N]]);
  assert(length[(x)%N]==1 || data[(x+1)%N]==data[(x)%N]);
  assert(!delivered[data[(x)%N]]);
  delivered[data[(x)%N]]=1
}
/* Messages of one producer become readable in order, and none before it is missing unless dropped. */
inline in_order(x) {
  q=data[(x)%N]-1;
  do :: q%MSGS!=0 -> assert(committed[q] || dropped[q]); q-- :: else -> break od;
  q=0
}

#ifdef MUT_BATCH_FROM_BEGINNING
#define FIRST_HELD if :: p<h+n && !IS(word[p%N],p,READY) -> p=p+length[p%N] :: else fi
#define COMMIT_WORD assert(AGE(word[p%N],p)==0); if :: STATE(word[p%N])==READY -> deliver(p) :: else fi; word[p%N]=word[p%N]|DONE
#else
/* first_held_slowly(): what was released singly may be freed by anybody and its room be used again. */
#define FIRST_HELD \
  do \
  :: each && p<h+n -> \
     w0=word[p%N]; to=length[p%N]; f=free_position; \
     if \
     :: f>p -> p=f \
     :: f<=p && IS(w0,p,READY) -> break \
     :: else -> p=p+to \
     fi \
  :: else -> break \
  od; \
  w0=0; to=0; f=0
#define COMMIT_WORD deliver(p); word[p%N]=word[p%N]|DONE
#endif
proctype Consumer(byte me) {
  bool fast, held, each;
  byte h, w, w0, w1, n, p, t, f, count;
  byte to, q, res, ff, fh, fw; bool ok;
#ifdef LOOK_AHEAD
  byte ready_until;
#endif
#ifdef SPLIT
  byte b, e;
#endif
look: skip;
  d_step{ h=0; w=0; w0=0; w1=0; n=0; p=0; t=0; f=0; count=0; res=0; to=0; q=0; ok=0; held=0; each=0 };
  if :: !fast -> goto take_over :: else fi;
look_at_read_position: skip;
  d_step{ h=read_position; fresh=fresh|(1<<me) };
#ifdef LOOK_AHEAD
  /* Everything below it was READY when it was looked at, and is so still where nobody claimed it. */
  if :: ready_until>h -> n=length[h%N]; p=h+n; goto claim :: else fi;
#endif
  w0=word[h%N];
  d_step{ w=write_position&127 };
  if
  :: IS(w0,h,READY) ->
     n=length[h%N];
     if :: w<h+n -> assert(read_position!=h); goto look :: else fi;   /* else corrupt */
     p=h+n;
#if CBATCH > 1
     count=1;
     do
     :: count<CBATCH ->
        w1=word[p%N];
        if :: IS(w1,p,READY) -> p=p+length[p%N]; count++
           :: else -> break fi
     :: break
     od;
#endif
#ifdef LOOK_AHEAD
     to=p; count=1;
     do
     :: count<LOOK_AHEAD ->
        w1=word[to%N];
        if :: IS(w1,to,READY) -> to=to+length[to%N]; count++
           :: else -> break fi
     :: else -> break
     od;
#ifndef MUT_LOOK_AHEAD_UNCHECKED
     if :: read_position!=h -> goto look :: else fi;         /* those headers may be newer messages' */
#endif
     ready_until=to; to=0;
#endif
claim: skip;
     d_step{ w=0; w0=0; w1=0; n=p-h; count=0 };
#ifdef MUT_LATE_REGISTER_C
     MOVE_READ(p); if :: !ok -> goto look :: else fi;
     ANNOUNCE(h,n);
#else
     ANNOUNCE(h,n);
     MOVE_READ(p);
     if :: !ok -> LEAVE_REGISTER; goto look :: else fi;
#endif
     d_step{ ok=0; to=h; do :: to<p -> in_order(to); to=to+length[to%N] :: else -> break od; to=0; p=h };
     goto hold
  :: else ->
     repair();
     if :: res==REPAIRED -> goto look :: else fi
  fi;
  /* Empty, or the next message is still being written: is there something to take over, or an end? */
  d_step{ res=0; t=write_position };
  if
  :: free_position==(t&127) -> goto drained
  :: else
  fi;
take_over: skip;
  d_step{ h=0; p=0; n=0; w0=0; to=0; ok=0; held=0 };
  if :: !fast -> d_step{ f=free_position; fresh=fresh|(1<<me) } :: else -> f=free_position fi;
  h=read_position;
  if
  :: h<=f -> goto nothing
  :: h>f && h-f>N -> assert(free_position!=f); goto take_over       /* else corrupt */
  :: else
  fi;
  d_step{ p=f; f=0; held=0 };
  do
  :: p<h ->
     w0=word[p%N];
     if :: STATE(w0)!=ABANDONED || AGE(w0,p)!=0 -> n=length[p%N] :: else fi;
#ifndef MUT_HEADER_UNCHECKED
     if :: free_position>p -> goto take_over :: else fi;            /* that header may be a newer message's */
#endif
     if
     :: AGE(w0,p)!=0 || STATE(w0)==VACANT ->
        if :: free_position>p :: else -> assert(word[p%N]!=w0) fi;  /* else corrupt */
        goto take_over
     :: IS(w0,p,ABANDONED) -> p++
     :: IS(w0,p,DONE) -> p=p+n
     :: IS(w0,p,READY) ->
        to=p+n;
        unclaimed_until(NP+1, NP+NC, p);
        if
        :: to!=p ->
           to=0;
#ifndef MUT_NO_REREAD
           if :: free_position>p -> goto take_over :: else fi;
#endif
           if :: word[p%N]!=w0 -> goto take_over :: else fi;
           ANNOUNCE(p,n);
           CAS(word[p%N],w0,NEXT_ATTEMPT(w0));
           if
           :: ok -> d_step{ ok=0; h=p; w0=0; t=0; held=0; fast=1 }; goto hold
           :: else -> WITHDRAW; goto take_over
           fi
        :: else -> d_step{ to=0; held=1; p=p+n }
        fi
     fi
  :: else -> break
  od;
  if :: held -> goto checked :: else fi;
nothing:
  advance_free();
checked: skip;
  d_step{ h=0; p=0; n=0; w0=0; f=0; held=0 };
  if :: !fast -> fast=1; goto look :: else fi;
  if :: free_position==(t&127) -> goto drained :: else fi;
wait:
  t=0;
  !(fresh&(1<<me)) -> goto look;
drained:
  if :: t<END -> goto wait :: else fi;
  goto ended;

  /* Holds [h, h+n). */
hold: skip;
  p=h;
#ifdef EACH
  /* The messages of a batch may be released one by one, in any order that skips and goes on. */
  do
  :: p<h+n ->
     FIRST_HELD;
     if
     :: p<h+n ->
        if
        :: p=p+length[p%N]                                   /* not this one */
        :: WRITE(deliver(p); word[p%N]=word[p%N]|DONE; p=p+length[p%N]); each=1
        fi
     :: else
     fi
  :: else -> break
  od;
  p=h;
#endif
#if HANDBACKS > 0
  if
  :: d_step{ hands<HANDBACKS -> hands++; fresh=0 };
     WITHDRAW; fast=0; advance_free(); goto look
  :: skip
  fi;
#endif
#ifdef MUT_EARLY_WITHDRAW_C
  WITHDRAW;
#endif
  f=free_position;
  if
#if defined(EACH) && !defined(MUT_BATCH_FROM_BEGINNING)
  :: f==h && !each ->         /* where some were released singly, others may move free_position: only words will do */
#else
  :: f==h ->
#endif
     /* COMMIT of the oldest: nobody else can move free_position while word[h] is READY */
     WRITE(assert(free_position==h);
       do :: p<h+n -> if :: STATE(word[p%N])!=DONE -> deliver(p) :: else fi; p=p+length[p%N] :: else -> break od;
       free_position=h+n);
     WITHDRAW;
#ifndef ONE_CONSUMER
     w0=word[(h+n)%N];
     if :: AGE(w0,h+n)==0 && STATE(w0)>=ABANDONED -> advance_free() :: else fi
#endif
  :: else ->
     do
     :: p<h+n ->
#ifdef EACH
        FIRST_HELD;
        if :: p>=h+n -> break :: else fi;
#endif
        to=length[p%N];
        WRITE(COMMIT_WORD; p=p+to)
     :: else -> break
     od;
     to=0;
     WITHDRAW;
     advance_free()
  fi;
  goto look;

dead: skip;
#ifdef CRESPAWN
  d_step{
#ifdef LOOK_AHEAD
    ready_until=0;
#endif
    fast=0; ff=0; fh=0; fw=0; alive[me]=1; fresh=0;
#ifdef SPLIT
    b=0; e=0;
#endif
    h=0; w=0; w0=0; w1=0; n=0; p=0; t=0; f=0; count=0; res=0; to=0; q=0; ok=0; held=0; each=0 };
  WITHDRAW;
  goto look;
#else
  goto gone;
#endif
ended: skip;
  /* The end: everything that was committed has been delivered. */
  d_step{
    q=1; do :: q<=NP*MSGS -> assert(!committed[q] || delivered[q]); q++ :: else -> break od; skip };
gone: skip;
  d_step{
#ifdef LOOK_AHEAD
    ready_until=0;
#endif
    fast=0; ff=0; fh=0; fw=0; h=0; w=0; w0=0; w1=0; n=0; p=0; t=0; f=0; count=0; res=0; to=0; q=0; ok=0; held=0; each=0;
#ifdef SPLIT
    b=0; e=0;
#endif
    alive[me]=0; consumers_gone++; fresh=0 };
  goto end;
end_stopped: false;
end: skip
}

init {
  byte i;
  atomic {
    i=1; do :: i<=NP+NC -> alive[i]=1; i++ :: else -> break od;
    i=1; do :: i<=NP -> run Producer(i, 1+(i-1)*MSGS); i++ :: else -> break od;
    i=1; do :: i<=NC -> run Consumer(NP+i); i++ :: else -> break od;
    i=0
  };
  /* Whoever watches sees that no producer is left, and ends the stream for them. */
  d_step{ producers_done==NP -> write_position=write_position|END; fresh=0 }
}
