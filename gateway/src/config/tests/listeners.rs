//! What is told about listeners for FastCGI that are wrong.

use super::mistakes::tells;
use super::*;

#[test]
fn tells_each_mistake_of_a_listener() {
    let folder = Folder::new();
    for (text, expected) in [
        (
            "[server]\nfastcgi = ['unix:/x', 'localhost:9000']\n",
            "2:23: \"localhost:9000\" is not an address to listen on",
        ),
        (
            "[server]\nfastcgi = [{ mode = 0o600 }]\n",
            "2:12: `fastcgi` of [server] has no `address`",
        ),
        (
            "[server]\nfastcgi = { address = '127.0.0.1:1', group = 'root' }\n",
            "2:38: `group` has no meaning for this address",
        ),
        (
            "[server]\nfastcgi = { address = 'unix:/x', allow = '::1' }\n",
            "2:34: `allow` has no meaning for this address",
        ),
        (
            "[server]\nfastcgi = { address = 'unix:/x', mode = 660 }\n",
            "2:41: 660 is not a whole number from 0 to 511",
        ),
        (
            "[server]\nfastcgi = { address = 'unix:/x', owner = 'no-such-user' }\n",
            "2:42: there is no \"no-such-user\" in /etc/passwd",
        ),
        (
            "[server]\nfastcgi = { address = '0.0.0.0:9000', trusted = true }\n",
            "2:39: whoever reaches 0.0.0.0:9000 could pretend to be any user",
        ),
        (
            "[server]\nfastcgi = { address = 'unix:/x', trusted = false, users = true }\n",
            "2:51: `users` count only where the web server is trusted",
        ),
        (
            "[server]\nfastcgi = { address = '[::]:9000', allow = ['10.0.0.0/33'] }\n",
            "2:45: \"10.0.0.0/33\" is not an address or network",
        ),
        (
            "[server]\nfastcgi = { address = 'unix:/x', authorizer = '*.dll' }\n",
            "2:47: \"*.dll\" is not the path of one handler",
        ),
        (
            "[server]\nfastcgi = { address = 'unix:/x', sendfile = ['www', 'gone'] }\n",
            "2:53: gone does not exist",
        ),
        (
            "[server]\nfastcgi = { address = 'unix:/x', accel_redirect = { '/x' = 'gone' } }\n",
            "2:60: gone does not exist",
        ),
        (
            "[server]\nfastcgi = { address = 'unix:/x', local_redirects = 1 }\n",
            "2:52: ",
        ),
        (
            "[server]\nfastcgi = { address = 'unix:/x', xyzzy = 1 }\n",
            "2:34: unknown key `xyzzy` in `fastcgi` of [server]",
        ),
        (
            "[server]\nhttp = '127.0.0.1:1'\nfastcgi = '127.0.0.1:1'\n[[site]]\nroot='www'",
            "3:11: fastcgi://127.0.0.1:1 is listed twice",
        ),
    ] {
        tells(&folder, text, expected);
    }
}
