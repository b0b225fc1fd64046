/* How a request ended, as it is counted. */
#ifndef POOLD_CORE_OUTCOME_H
#define POOLD_CORE_OUTCOME_H

enum window_outcome {
	WINDOW_ANSWERED = 0, /* with a result */
	WINDOW_FAILED,	     /* with an error, after a worker had it or after all its time */
	WINDOW_REFUSED,	     /* with an error, as the pool did not take it or had no place for it */
	WINDOW_CANCELLED,    /* its client gave it up */
	WINDOW_OUTCOMES_
};

#endif
