// Paywitness 1. Tells Paywitness what PortOne's payment window called back, and tells the shop's code what became of it.
// Never changes: pages name it with an integrity hash, so a mend is a new version. Sets and reads no cookie.
(function () {
  "use strict";
  var MOMENTS = [300, 700, 1000, 2000, 3000, 5000, 8000, 13000], THEN_EVERY = 15000, PATIENCE = 120000; // milliseconds
  var SENT = ["imp_uid", "merchant_uid", "imp_success", "success", "error_code", "error_msg", "pw_order"];
  var home = document.currentScript.src.replace(/[^/]*$/, "");
  function ask(method, address, body, hear) {
    var request = new XMLHttpRequest();
    request.open(method, address);
    request.timeout = 10000;
    if (body) request.setRequestHeader("Content-Type", "application/json");
    request.onloadend = function () {
      var answer = null;
      try { answer = JSON.parse(request.responseText); } catch (error) { /* No network just now: the next turn comes. */ }
      hear(answer || {});
    };
    request.send(body);
  }
  function confirm(options, callback) {
    var door = options.url || home + options.key + "/result", address = "", told = "", said = {};
    var started = Date.now(), turn = 0, timer = 0, asking = false, over = false, warned = false;
    SENT.forEach(function (name) { if (options.response[name] != null) said[name] = options.response[name]; });
    if (!said.merchant_uid && options.order) said.merchant_uid = options.order; // A window that never opened names nothing.
    function step() {
      clearTimeout(timer);
      if (asking || over) return;
      asking = true;
      ask(address ? "GET" : "POST", address || door, address ? null : JSON.stringify(said), hear);
    }
    function hear(answer) {
      asking = false;
      if (answer.status_url) address = answer.status_url;
      else if (answer.status) tell(answer);
      else if (!address) warn();
      plan();
    }
    function plan() {
      if (over || document.hidden) return;
      var waited = Date.now() - started;
      while (moment(turn) <= waited) turn += 1;
      timer = moment(turn) < PATIENCE ? setTimeout(step, moment(turn) - waited) : setTimeout(stop, PATIENCE - waited);
    }
    function stop() {
      tell({ status: "pending", state: told ? "confirming" : "unreachable", settled: false, signed: null, stopped: true });
    }
    function moment(n) { return n < 8 ? MOMENTS[n] : MOMENTS[7] + (n - 7) * THEN_EVERY; }
    function tell(result) {
      var change = result.status + " " + result.state + (result.stopped ? " stopped" : "");
      over = Boolean(result.settled || result.stopped);
      if (over) document.removeEventListener("visibilitychange", look);
      if (change === told) return;
      told = change;
      setTimeout(function () { callback(result); }, 0); // What the shop's code throws is the shop's to see, and stops nothing.
    }
    function warn() {
      if (!warned) console.error("Paywitness: " + door + " does not answer " + location.origin + ". Unless the network is down, either " +
        location.origin + " is not among the allowed origins in Paywitness (settings, return URLs and origins), or the key is not yours.");
      warned = true;
    }
    function look() { if (document.hidden) clearTimeout(timer); else step(); }
    document.addEventListener("visibilitychange", look);
    step();
  }
  window.Paywitness = { version: 1, confirm: confirm };
})();
