/** The hub's audit log verifies at every instant, and never loses a row that was there (but to a restore). */
import { AUDIT_START, type AuditRow, verifyAuditChain } from "../../core/audit-chain.ts";
import type { Checker } from "./checker.ts";

const ROWS = 'SELECT seq, at, actor, source AS "from", action, target, outcome, data, hash FROM audit';

export function auditChainHolds(): Checker {
  let head = AUDIT_START;
  let restores = 0;
  return {
    name: "audit-chain-holds",
    sometimes: ({ hub }, report) => {
      // From the start, or from what was pruned: what was verified once may be changed later.
      const rows = hub.database()?.all<AuditRow>("check", `${ROWS} ORDER BY seq`) ?? [];
      const first = rows[0];
      if (first === undefined || first.seq !== 1) return;
      const verdict = verifyAuditChain(AUDIT_START, rows);
      if (!verdict.ok) report(`the audit chain breaks at row ${verdict.brokenSeq}: ${verdict.because}`);
    },
    afterHub: ({ hub, truth }, report) => {
      const database = hub.database();
      if (database === undefined) return;
      if (truth.hubRestores !== restores) {
        restores = truth.hubRestores;
        head = AUDIT_START;
      }
      const rows = database.all<AuditRow>("check", `${ROWS} WHERE seq >= ? ORDER BY seq`, head.seq);
      const known = head.seq === 0 ? undefined : rows[0];
      if (head.seq > 0 && known?.hash !== head.hash) report(`audit row ${head.seq} was changed or is gone`);
      const verdict = verifyAuditChain(head, head.seq === 0 ? rows : rows.slice(1));
      if (!verdict.ok) report(`the audit chain breaks at row ${verdict.brokenSeq}: ${verdict.because}`);
      else head = verdict.head;
    },
  };
}
