/*
 * Sleeping and waking as built (waiter.hpp, waiter.cpp, read_slowly, wake_after_commit, wake_one).
 *
 * P producers commit M messages in all and look at the flag after each commit. S sleepers: set the flag,
 * look again, sleep on the value set; the woken one sets the flag again, claims, and wakes the next if
 * there is more. Each sleeper takes messages until it has seen the end. `messages` stands for
 * write_position and `taken` for read_position: to claim is one atomic step here (ring.pml has the rest).
 * The wait word is {count, flag}, as in the program; a kernel that compares it and puts to sleep is one
 * step, and so is its wake of one. Which sleeper it takes is left open: the kernel's order is fair, ours
 * need not be.
 *
 * A lost wake: nobody can move any more (`timeout`), a message is there, and a sleeper is left. Without
 * CAP nobody ever wakes by himself. With CAP a sleeper wakes by himself when nobody else can move, which
 * is as late as the cap can be; EARLY of them also at any other time. The stream ends only with ENDS,
 * for an end wakes everybody and would hide what was lost before.
 *
 * WATCH: somebody watches, under a flag of his own (`watch`), until all messages are committed and, with
 * ATTACHES, somebody has attached, which tells watchers alone. He takes nothing, and must neither miss that nor cost a sleeper
 * his wake. MUT_WATCH_AS_SLEEPER: he sleeps as if he were a consumer. MUT_WATCHERS_FIRST: a wake wakes the
 * watchers or, where there are none, a sleeper.
 *
 * BUSY: the one who was woken never comes back after his first message (he works on it, or was
 * stopped), so a message behind it must get somebody else woken.
 */
#ifndef M
#define M 2
#endif
#ifndef P
#define P 1
#endif
#ifndef S
#define S 1
#endif
#ifndef CRASHES
#define CRASHES 0
#endif
#ifndef THIEVES
#define THIEVES 0           /* consumers that come, take one message and go without ever sleeping */
#endif
#ifndef QUITS
#define QUITS 0             /* sleepers whose deadline passes: they give up */
#endif
#ifndef EARLY
#define EARLY 0
#endif

byte messages, taken, producers_left=P, crashes, quits, early;
bool ended; byte gone;
byte count; bool flag;      /* the wait word; the real count has 29 bits and does not come round while one goes to sleep */
bool asleep[S+1];
byte sleeping;
bool watch, watcher_asleep, watcher_done, attached;

#if CRASHES > 0
#define OR_DIE :: d_step{ crashes<CRASHES -> crashes++ }; goto dead
#else
#define OR_DIE
#endif
#ifdef CAP
#define LOST false          /* it can still be healed: not the last word */
#else
#define LOST true
#endif
#define STEP(s) if :: d_step{ s } OR_DIE fi

/* FUTEX_WAKE: one of those asleep, whichever. */
inline futex_wake_one() {
  if
  :: d_step{ sleeping==0 -> skip }
  :: d_step{ asleep[1] -> asleep[1]=0; sleeping-- }
#if S > 1
  :: d_step{ asleep[2] -> asleep[2]=0; sleeping-- }
#endif
#if S > 2
  :: d_step{ asleep[3] -> asleep[3]=0; sleeping-- }
#endif
  OR_DIE
  fi
}
inline futex_wake_all() {
  d_step{ asleep[1]=0; watch=0; watcher_asleep=0;
#if S > 1
    asleep[2]=0;
#endif
#if S > 2
    asleep[3]=0;
#endif
    sleeping=0 }
}
/* wake_one(): clear the flag, bump, wake. The CAS fails only where another did the same. */
inline wake_one() {
#ifdef WATCH
  STEP(f=flag; wf=watch; if :: f||wf -> flag=0; watch=0; count++ :: else fi);
#ifdef MUT_WATCHERS_FIRST
  if :: f && !wf -> futex_wake_one() :: else fi;
#else
  if :: f -> futex_wake_one() :: else fi;
#endif
  if :: wf -> STEP(watcher_asleep=0) :: else fi
#else
  STEP(f=flag; if :: f -> flag=0; count++ :: else fi);
  if :: f -> futex_wake_one() :: else fi
#endif
}

proctype Producer(byte n) {
  bool f, wf;
  do
  :: n>0 ->
     STEP(messages++; n--);                     /* COMMIT */
     f=flag || watch;                           /* P6: after the commit */
     if :: f -> wake_one() :: else fi
  :: else -> break
  od;
dead: skip;
  atomic{ producers_left--;
#ifdef ENDS
     if :: producers_left==0 -> ended=1; flag=0; count++; futex_wake_all() :: else fi
#endif
  }
}

proctype Sleeper(byte me) {
  byte value; bool f, wf, seen, woken, got;
look: skip;
  /* look(false), once before anything else */
  d_step{ woken=0; value=0; got=0; f=0; wf=0; seen=0 };
  STEP(if :: taken<messages -> taken++; got=1 :: else fi);
  if :: got -> goto claimed :: else fi;
wait: skip;
  if :: ended && taken==messages -> goto left :: else fi;
#if QUITS > 0
  if
  :: d_step{ quits<QUITS -> quits++ };         /* give_up(): the deadline passed */
#ifdef PASS_ON                                  /* not as built */
     if :: woken -> STEP(flag=1); if :: taken<messages -> wake_one() :: else fi :: else fi;
#endif
     goto left
  :: skip
  fi;
#endif
#ifdef MUT_FORGET_WAKE                          /* as it was built first */
  woken=0;
#endif
  STEP(value=count; seen=watch; flag=1);        /* prepare(): the flag, then (O6) the barrier */
#ifndef MUT_NO_RECHECK
  STEP(if :: taken<messages -> taken++; got=1 :: else fi);
  if :: got -> goto claimed :: else fi;         /* what came while the flag was down came for others, too */
  if :: ended && taken==messages -> goto left :: else fi;
#endif
  woken=0;
  /* futex: sleeps only if the word is still {value, 1}; sleep() tells whether it was woken */
  if
  :: d_step{ (count==value && flag && watch==seen) -> asleep[me]=1; sleeping++ };
end_asleep:
     if
     :: !asleep[me] -> woken=1
#ifdef CAP
     :: d_step{ timeout && asleep[me] && (taken<messages || ended) -> asleep[me]=0; sleeping-- }
#endif
#if EARLY > 0
     :: d_step{ asleep[me] && early<EARLY -> early++; asleep[me]=0; sleeping-- }
#endif
#if CRASHES > 0
     :: d_step{ asleep[me] && crashes<CRASHES -> crashes++; asleep[me]=0; sleeping-- }; goto dead   /* killed asleep: the flag stays */
#endif
     fi
  :: else
  fi;
  value=0;
  STEP(if :: taken<messages -> taken++; got=1 :: else fi);
  if :: !got -> goto wait :: else fi;
claimed: skip;
  if
  :: woken ->
     /* the wake that came was for one: the next is ours to wake */
     STEP(flag=1);
#ifndef MUT_NO_CHAIN
     if :: taken<messages -> wake_one() :: else fi
#endif
  :: else
  fi;
#ifdef BUSY
  goto left;
#endif
  goto look;
dead: skip;
left: skip;
  gone++
}

#ifdef WATCH
proctype Watcher() {
  byte value; bool seen;
  do
  :: messages==M && attached -> break
  :: else ->
#ifdef MUT_WATCH_AS_SLEEPER
     STEP(value=count; seen=watch; flag=1);
#else
     STEP(value=count; seen=flag; watch=1);
#endif
     if :: messages==M && attached -> break :: else fi;
     if
#ifdef MUT_WATCH_AS_SLEEPER
     :: d_step{ (count==value && flag && watch==seen) -> asleep[S]=1; sleeping++ };
end_asleep:
        !asleep[S]
#else
     :: d_step{ (count==value && watch && flag==seen) -> watcher_asleep=1 };
end_asleep:
        if
        :: !watcher_asleep
#ifdef CAP
        :: d_step{ timeout && watcher_asleep && messages==M && attached -> watcher_asleep=0 }
#endif
#if CRASHES > 0
        :: d_step{ watcher_asleep && crashes<CRASHES -> crashes++; watcher_asleep=0 }; goto dead
#endif
        fi
#endif
     :: else
     fi
  od;
dead: skip;
  watcher_done=1
}

/* Attaching: tells watchers and nobody else. */
proctype Attacher() {
  bool wf;
  STEP(attached=1);
  STEP(wf=watch; if :: wf -> watch=0; count++ :: else fi);
  if :: wf -> STEP(watcher_asleep=0) :: else fi;
dead: skip
}
#endif

proctype Thief() {
  if :: d_step{ taken<messages -> taken++ } :: skip fi
}

init {
  byte i;
  atomic {
#ifdef MUT_WATCH_AS_SLEEPER
    i=1; do :: i<S -> run Sleeper(i); i++ :: else -> break od;  /* the watcher sleeps in the place of the last */
#else
    i=1; do :: i<=S -> run Sleeper(i); i++ :: else -> break od;
#endif
    i=1; do :: i<=THIEVES -> run Thief(); i++ :: else -> break od;
    i=0;
#ifdef WATCH
    run Watcher();
#ifdef ATTACHES
    run Attacher();
#else
    attached=1;
#endif
#endif
    run Producer(M-M/2*(P-1));
#if P > 1
    run Producer(M/2)
#endif
  };
  timeout && (taken==messages || sleeping==0 || LOST) && (!watcher_asleep || messages<M || !attached || LOST) -> assert(taken==messages || gone==S);
#if defined(WATCH) && !defined(MUT_WATCH_AS_SLEEPER)
  assert(watcher_done || messages<M || !attached)
#endif
}
