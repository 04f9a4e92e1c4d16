/*
 * A broadcast ring that blocks, as built: every consumer has a reading position of its own in its entry
 * and reads all there is; nobody claims a message. Positions, words, registers, deaths, stops and waiting
 * are as in ring.pml. What is new, and modelled step for step: look_for_room with its two scans of the
 * reading positions, the consumer that joins (also in the entry of a dead one, whose role and reading
 * position still stand there), release with its eager move of free_position, the repair of a hole
 * by any consumer at its own position, and leaving.
 *
 * Checked: a producer never takes a place that a consumer which has joined and is not dead has still to
 * read; nothing torn, nothing read before its commit, no live producer's claim abandoned, one producer's
 * messages in order; each consumer goes from where it joined over every position to the end, so that it
 * gets everything; and never stuck: a dead consumer does not hold producers back.
 */
#ifndef N
#define N 2                 /* slots, all of them usable */
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
#ifndef LEAVES
#define LEAVES 0            /* consumers that leave before the end, and come back (in the same entry) */
#endif
#ifdef ONES
#define SIZE n=1
#else
#define SIZE if :: n=1 :: n=2 fi
#endif

#define ALL (NP+NC+1)       /* participants 1..NP are producers, NP+1..NP+NC consumers */
#define NONE 255
#define END 128             /* the end bit inside write_position */
#define READY 1
#define ABANDONED 2
/* A word: lap 4 bits | state 2 bits. Laps start at 1. */
#define TAG(p) (((p)/N+1)<<2)
#define AGE(w,p) (((w)>>2)-((p)/N+1))
#define STATE(w) ((w)&3)
#define IS(w,p,s) (AGE(w,p)==0 && STATE(w)==(s))

byte word[N]; byte length[N]=1; byte data[N];
byte write_position, free_position;
byte claim_position[NP+1]=NONE; byte claim_slots[NP+1];
bool role[ALL];             /* consumer, or none */
byte reading_position[ALL];
bool alive[ALL];            /* holds the lock of its entry */
bool joined[ALL];           /* what is checked only: attach has returned, and its owner is not dead */

byte fresh;                 /* for whom nothing was written since their look began */
byte crashes, stops, leaves, producers_done, consumers_gone;
bool committed[NP*MSGS+1];

#ifdef MUT_TIMEOUT
#define LIVE(i) (false)     /* the owner was given its time and is presumed dead */
#else
#define LIVE(i) (alive[i])
#endif
/* released_by_all() asks the kernel only about those who are in its way. */
#ifdef MUT_DEAD_COUNTED
#define COUNTS(i) (true)
#else
#define COUNTS(i) (LIVE(i) || reading_position[i]+N>=t+n)
#endif

#if MAXCRASH > 0
#define OR_DIE  :: d_step{ crashes<MAXCRASH -> crashes++; alive[me]=0; joined[me]=0; fresh=0 }; goto dead
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
#define WITHDRAW if :: claim_position[me]!=NONE -> WRITE(claim_position[me]=NONE) :: else fi

/* The lowest reading position of the consumers that count, left in m; NONE where there is none. An
   entry is three reads: its owner may die, and another move in, between them. */
inline scan(counts) {
  d_step{ m=NONE; q=NP+1 };
  do
  :: q<=NP+NC ->
#ifdef SPLIT
     if
     :: role[q] ->
        r=reading_position[q];
        d_step{ if :: counts && r<m -> m=r :: else fi; r=0 }
     :: else
     fi;
     q++
#else
     d_step{ if :: role[q] && counts && reading_position[q]<m -> m=reading_position[q] :: else fi; q++ }
#endif
  :: else -> break
  od;
  q=0
}

/* What must hold whenever a producer takes [t, t+n). */
inline nobody_is_overrun() {
  q=NP+1; do :: q<=NP+NC -> assert(!joined[q] || t+n<=reading_position[q]+N); q++ :: else -> break od; q=0
}

proctype Producer(byte me; byte base) {
  byte i, n, t, f, m, limit, q, r; bool ok;
next: skip;
  if :: i>=MSGS -> goto finished :: else fi;
  SIZE;
  t=write_position;
  if :: t+n<=limit -> goto take :: else fi;                  /* an end bit is larger than any limit */
look_for_room: skip;
  d_step{ limit=0; m=0; f=0; ok=0 };
  d_step{ t=write_position; fresh=fresh|(1<<me) };
  if :: t>=END -> goto finished :: else fi;
  f=free_position;
  if :: t<f -> goto look_for_room :: else fi;                /* t is stale */
  scan(COUNTS(q));
  if :: m==NONE -> m=f :: m!=NONE && m>t -> m=t :: else fi;  /* nobody there: nothing is released */
  if
  :: m>f ->
     CAS(free_position,f,m);
     if :: ok -> f=m; ok=0 :: else -> f=free_position fi
  :: else
  fi;
#ifdef MUT_NO_SECOND_SCAN
  m=f;
#else
  scan(COUNTS(q));
#endif
#ifdef MUT_FREE_READ_LATE
  f=free_position;
#endif
  d_step{ if :: m<f -> limit=m+N :: else -> limit=f+N fi; m=0; f=0 };
  if :: t+n<=limit -> goto take :: else fi;
no_room: skip;
  t=0;
  if
#ifdef MUT_QUICK
  :: !(fresh&(1<<me)) -> limit=free_position+N; t=write_position; if :: t+n<=limit -> goto take :: else -> goto look_for_room fi
#else
  :: !(fresh&(1<<me)) -> goto look_for_room
#endif
  :: consumers_gone==NC -> goto finished                     /* only a consumer could help, and none will come */
  fi;
take: skip;
  WRITE(claim_position[me]=t; claim_slots[me]=n);
  if
  :: d_step{ if :: write_position==t -> nobody_is_overrun(); write_position=t+n; ok=1; fresh=0 :: else -> ok=0 fi }
  OR_DIE OR_STOP
  fi;
  if
  :: !ok ->
     t=write_position;
     if :: t+n<=limit -> goto take
        :: else -> WITHDRAW; goto look_for_room fi
  :: else
  fi;
  ok=0;
  WRITE(data[t%N]=base+i; length[t%N]=n; if :: n==2 -> data[(t+1)%N]=base+i :: else fi);
  WRITE(assert(AGE(word[t%N],t)<0); word[t%N]=TAG(t)|READY; committed[base+i]=1; i++);      /* COMMIT */
  d_step{ t=0; n=0 };
  WITHDRAW;
  goto next;
finished: skip;
#ifdef END_RACE
  WRITE(write_position=write_position|END);                  /* any producer may end the stream at any time */
#endif
  WITHDRAW;
  goto gone;
dead: skip;
#ifdef RESPAWN
  d_step{ n=0; t=0; f=0; m=0; limit=0; q=0; r=0; ok=0;
    alive[me]=1; fresh=0;                                    /* the lock first, */
    do :: i<MSGS && committed[base+i] -> i++ :: else -> break od; skip };
  WITHDRAW;                                                  /* then the register */
  goto next;
#endif
gone: skip;
  d_step{ i=0; n=0; t=0; f=0; m=0; limit=0; q=0; r=0; ok=0; alive[me]=0; producers_done++; fresh=0 };
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

/* Release up to `to`, and the eager move of free_position by whoever was the slowest: to the lowest of all,
   dead or not, which is no more than a hint. */
inline release(to_) {
  f=free_position;
  WRITE(reading_position[me]=to_);
  if
  :: f==h ->
#ifdef MUT_FREE_PAST
     m=to_;
#else
     scan(true);
#endif
     if :: m>f -> CAS(free_position,f,m); ok=0 :: else fi
  :: else
  fi;
  d_step{ f=0; m=0; h=to_ }
}

proctype Consumer(byte me) {
  byte h, w, w0, w1, n, f, m, to, q, r; bool ok, old;
join: skip;
  if
  :: d_step{ alive[me]=1; fresh=0 }                          /* the kernel lock of the entry */
  :: d_step{ consumers_gone++; fresh=0 }; goto end           /* never comes */
  fi;
  if :: role[me] -> WRITE(role[me]=0) :: else fi;            /* whoever had it before died */
  h=free_position;
publish: skip;
  WRITE(reading_position[me]=h);
  if :: !role[me] -> WRITE(role[me]=1) :: else fi;
  d_step{ f=free_position;
#ifdef MUT_NO_LOOK_AGAIN
    f=h;
#endif
    joined[me]=(f<=h) };
  if :: f>h -> h=f; f=0; goto publish :: else fi;
  f=0;
#ifdef NEWEST
  if
  :: w=write_position&127; to=w;
     if :: to>h && IS(word[(to-1)%N],to-1,READY) -> to-- :: else fi;  /* with messages of one slot */
     w=0; release(to); to=0
  :: skip
  fi;
#endif
look: skip;
  d_step{ w0=word[h%N]; fresh=fresh|(1<<me) };
  w=write_position;
  if
  :: IS(w0,h,READY) ->
     assert((w&127)>h);
     d_step{ w=0; w0=0; n=length[h%N]; r=data[h%N];
       /* all before it of the same producer were committed, or it would not have come to this one */
       assert(committed[r]); q=r-1; do :: q%MSGS!=0 -> assert(committed[q]); q-- :: else -> break od; q=0 };
     /* It is used in place, as long as it takes. */
     if
     :: d_step{ fresh=fresh|(1<<me) };
        d_step{ assert(IS(word[h%N],h,READY) && data[h%N]==r && data[(h+n-1)%N]==r); r=0 };
        release(h+n); n=0; goto look
#if LEAVES > 0
     :: d_step{ leaves<LEAVES -> leaves++; r=0; n=0 }; goto leave  /* also: holds it, and leaves */
#endif
     fi
  :: IS(w0,h,ABANDONED) ->
     d_step{ w=0; w0=0 };
#ifdef MUT_STEP_NOT_PUBLISHED
     h++;
#else
     release(h+1);
#endif
     goto look
  :: AGE(w0,h)<0 && (w&127)>h ->
     /* A hole, to be repaired where it stands: nobody else needs to. */
     to=h+1;
     if :: h+1<(w&127) -> d_step{ w1=word[(h+1)%N]; if :: AGE(w1,h+1)<0 -> to=h+2 :: else fi } :: else fi;
     unclaimed_until(h);
     if
     :: to==h -> goto wait
     :: else ->
        CAS(word[h%N],w0,TAG(h)|ABANDONED);
        if :: ok && to>h+1 -> CAS(word[(h+1)%N],w1,TAG(h+1)|ABANDONED) :: else fi;
        d_step{ to=0; w=0; w0=0; w1=0; ok=0 };
        goto look
     fi
  :: else ->
     assert(AGE(w0,h)<0 && (w&127)==h);                      /* else corrupt: our place was written by others */
     if :: w>=END -> goto leave :: else fi
  fi;
wait: skip;
  d_step{ w=0; w0=0; w1=0; to=0 };
#if LEAVES > 0
  if
  :: !(fresh&(1<<me)) -> goto look
  :: d_step{ leaves<LEAVES -> leaves++ }; goto leave
  fi;
#else
  !(fresh&(1<<me)) -> goto look;
#endif
leave: skip;
  d_step{ old=(w<END); w=0; w0=0 };                          /* before the end: may come back */
  WRITE(role[me]=0; joined[me]=0);
  /* leave_broadcast(): what only this one had kept goes, and without any other what it had read. */
  scan(LIVE(q));
  f=free_position;
  if :: m==NONE -> m=h :: else fi;
  if :: m>f -> CAS(free_position,f,m); ok=0 :: else fi;
  d_step{ m=0; f=0; alive[me]=0; h=0; fresh=0 };
  if :: old -> old=0; goto join :: else fi;
  goto gone;
dead: skip;
  d_step{ h=0; w=0; w0=0; w1=0; n=0; f=0; m=0; to=0; q=0; r=0; ok=0; old=0 };
#ifdef CRESPAWN
  goto join;
#endif
gone: skip;
  d_step{ consumers_gone++; fresh=0 };
  goto end;
end_stopped: false;
end: skip
}

init {
  byte i;
  atomic {
    i=1; do :: i<=NP -> alive[i]=1; run Producer(i, 1+(i-1)*MSGS); i++ :: else -> break od;
    i=1; do :: i<=NC -> run Consumer(NP+i); i++ :: else -> break od;
    i=0
  };
  /* Whoever watches sees that no producer is left, and ends the stream for them. */
end: d_step{ producers_done==NP -> write_position=write_position|END; fresh=0 }
}
