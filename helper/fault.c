/*
 * Fault injection for tests (--faults): make the nth point of a request fail, or kill the helper there. SF_REQ_FAULT
 * answers how many points the previous plan saw, so that a test can visit every one.
 */
#include "helper.h"

bool faults_enabled;
static struct { uint32_t request, nth; int32_t error; uint32_t where; } plan;
static uint32_t current, seen;

void fault_request(uint32_t op) { current = op; }

struct fail fault_point(uint32_t where, uint32_t subject)
{
	if (plan.request == 0 || current != plan.request || (plan.where != 0 && plan.where != where)) return OK;
	if (++seen != plan.nth) return OK;
	if (plan.error == 0) (void)sys_kill((int)sys_getpid(), SIGKILL);
	return failed(where, subject, -plan.error);
}

struct fail req_fault(struct request *rq, struct reply *rp)
{
	if (!faults_enabled) return failed(SF_AT_FAULT, 0, -EPERM);
	if (rq->size != sizeof plan) return failed(SF_AT_DECODE, 0, -EBADMSG);
	uint32_t before = seen;
	memcpy(&plan, rq->payload, sizeof plan);
	seen = 0;
	return buffer_append(&rp->out, &before, sizeof before);
}
