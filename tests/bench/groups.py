"""What can be measured, in the order in which it is; names and no more, for the command line knows no models."""

GROUPS = {
    "accept": "webhooks and landings accepted, beside a bare view; their statement in PostgreSQL alone",
    "confirm": "answers to PortOne before it approves, beside a bare view",
    "deliver": "deliveries of one worker, beside a bare loop of POSTs",
    "whole": "the whole way from webhook to callback, beside a bare loop of one GET and one POST",
    "latency": "from webhook to callback at a tenth of that, beside the bare round trips",
    "lookups": "calls of PortOne for each payment, at full load and at a tenth of it",
    "workers": "two workers against one, and who waits for a lock",
    "fairness": "a quiet merchant beside a flood and beside an endpoint that hangs, against alone",
    "backlog": "a hundred thousand deliveries drained, against small rounds; memory of web and worker",
    "merchants": "with thousands of merchants, against ten; migrating and creating them",
    "rows": "with millions of rows, against none; the dashboard's pages at that size",
}
