-- The audit log over all companies, in the order of its numbers: what is not sealed yet is at its end.
CREATE UNIQUE INDEX audit_by_number ON audit (number);
