/* sys_ipc: System V shared memory, semaphores and messages, and POSIX message
 * queues.
 *
 * flags: -lrt
 * output: ipc ok\n
 */
#include "check.h"
#include <fcntl.h>
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <time.h>

int main(void)
{
	int id = OK(shmget(IPC_PRIVATE, 10000, IPC_CREAT | 0600));
	char *m = shmat(id, NULL, 0), *r = shmat(id, NULL, SHM_RDONLY);
	CHECK(m != (void *)-1 && r != (void *)-1);
	m[5000] = 1;
	CHECK(r[5000] == 1);
	struct shmid_ds sd;
	struct shminfo sinfo;
	struct shm_info si;
	OK(shmctl(id, IPC_STAT, &sd));
	CHECK(sd.shm_nattch == 2);
	OK(shmctl(id, IPC_SET, &sd));
	OK(shmctl(0, IPC_INFO, (void *)&sinfo));
	OK(shmctl(0, SHM_INFO, (void *)&si));
	MAY(shmctl(0, SHM_STAT, &sd));
	OK(shmdt(r));
	OK(shmctl(id, IPC_RMID, NULL));
	OK(shmdt(m));

	id = OK(semget(IPC_PRIVATE, 3, IPC_CREAT | 0600));
	union semun { int val; struct semid_ds *buf; unsigned short *array; struct seminfo *info; } u;
	unsigned short vals[4] = {4, 5, 6, 77};
	u.array = vals;
	OK(semctl(id, 0, SETALL, u));
	vals[0] = 0;
	OK(semctl(id, 0, GETALL, u));
	CHECK(vals[0] == 4 && vals[3] == 77);
	struct sembuf op[2] = {{0, -1, 0}, {1, 1, SEM_UNDO}};
	OK(semop(id, op, 2));
	CHECK(OK(semctl(id, 0, GETVAL)) == 3);
	CHECK(OK(semctl(id, 0, GETPID)) == getpid());
	OK(semctl(id, 0, GETNCNT));
	OK(semctl(id, 0, GETZCNT));
	struct sembuf wait = {2, 0, 0};
	FAILS(EAGAIN, semtimedop(id, &wait, 1, &(struct timespec){0, 50000000}));
	struct semid_ds ds;
	struct seminfo info;
	u.buf = &ds;
	OK(semctl(id, 0, IPC_STAT, u));
	CHECK(ds.sem_nsems == 3);
	u.info = &info;
	OK(semctl(id, 0, IPC_INFO, u));
	OK(semctl(id, 0, SEM_INFO, u));
	u.val = 8;
	OK(semctl(id, 1, SETVAL, u));
	OK(semctl(id, 0, IPC_RMID));

	id = OK(msgget(IPC_PRIVATE, IPC_CREAT | 0600));
	struct { long type; char text[100]; } msg = {3, "message"};
	OK(msgsnd(id, &msg, 20, 0));
	msg.type = 5;
	OK(msgsnd(id, &msg, 50, IPC_NOWAIT));
	struct msqid_ds qd;
	struct msginfo mi;
	OK(msgctl(id, IPC_STAT, &qd));
	CHECK(qd.msg_qnum == 2);
	OK(msgctl(0, IPC_INFO, (void *)&mi));
	OK(msgctl(0, MSG_INFO, (void *)&mi));
	memset(&msg, 0xee, sizeof msg);
	CHECK(OK(msgrcv(id, &msg, 100, 5, 0)) == 50 && msg.type == 5);
	FAILS(E2BIG, msgrcv(id, &msg, 10, 0, 0));
	CHECK(OK(msgrcv(id, &msg, 10, 0, MSG_NOERROR)) == 10 && msg.type == 3);
	FAILS(ENOMSG, msgrcv(id, &msg, 10, 0, IPC_NOWAIT));
	OK(msgctl(id, IPC_RMID, NULL));

	char name[64], text[8192];
	snprintf(name, sizeof name, "/sys_ipc-%d", getpid());
	struct mq_attr at = {.mq_maxmsg = 4, .mq_msgsize = 100};
	mqd_t q = MAY(mq_open(name, O_RDWR | O_CREAT, 0600, &at));
	if (q >= 0) {
		OK(mq_unlink(name));
		OK(mq_send(q, "posix", 5, 9));
		unsigned prio;
		OK(mq_getattr(q, &at));
		CHECK(at.mq_curmsgs == 1);
		CHECK(OK(mq_receive(q, text, sizeof text, &prio)) == 5 && prio == 9);
		FAILS(EMSGSIZE, mq_receive(q, text, 5, NULL));
		struct timespec ts;
		clock_gettime(CLOCK_REALTIME, &ts);
		FAILS(ETIMEDOUT, mq_timedreceive(q, text, sizeof text, &prio, &ts));
		OK(mq_notify(q, NULL));
		OK(mq_close(q));
	}
	puts("ipc ok");
	return 0;
}
