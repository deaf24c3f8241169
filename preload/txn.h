/* txn.h - what the rest of the library needs of the functions of mpress_txn.h. */
#ifndef MPRESS_TXN_FUNCTIONS_H
#define MPRESS_TXN_FUNCTIONS_H

/* Traces hear of the ends of transactions; while one thread runs. */
void txn_trace_init(void);

/* Of all threads: those that are open, and by name those that ended. */
struct control_txns;
void txn_tell(struct control_txns *told);

#endif
