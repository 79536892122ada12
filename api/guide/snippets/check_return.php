<?php
// Returns the signed pr_* values, or null: forged, repeated, or older than 5 minutes.
// $returnUrl is the address as you registered it, not what the Host header says.
function check_return(string $query, string $returnUrl, string $key): ?array
{
    $values = [];
    foreach (explode('&', $query) as $pair) {
        [$name, $value] = array_map('urldecode', explode('=', $pair, 2) + [1 => '']);
        if (isset($values[$name])) {
            return null;
        }
        if (str_starts_with($name, 'pr_')) {
            $values[$name] = $value;
        }
    }
    $signature = $values['pr_sig'] ?? '';
    unset($values['pr_sig']);
    ksort($values, SORT_STRING);
    $signed = http_build_query($values, '', '&', PHP_QUERY_RFC3986);
    $mac = hash_hmac('sha256', "pr1\nGET\n$returnUrl\n$signed", $key, true);
    $expected = rtrim(strtr(base64_encode($mac), '+/', '-_'), '=');
    if (!hash_equals($expected, $signature)) {
        return null;
    }
    return abs(time() - (int) $values['pr_ts']) <= 300 ? $values : null;
}
