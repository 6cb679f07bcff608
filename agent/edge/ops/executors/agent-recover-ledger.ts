import { done, type Executor } from "../executor.ts";

/** Admission held the incident's id to this box's own. Everything issued before this op is refused from now on. */
export const agentRecoverLedger: Executor<"agent.recover-ledger"> = ({ incident }, { world, book, desk, payload }) => {
  const { generation } = book.ledger;
  book.recover(payload.issued_at);
  world.log.event("warn", "ledger.recovered", { incident, op: payload.id });
  desk.event("ledger.recovered", { incident, op: payload.id });
  return Promise.resolve(done({ incident, generation, refuses_before: payload.issued_at }));
};
