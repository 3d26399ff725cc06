//! Mistakes of handlers.

use super::*;

#[test]
fn tells_each_mistake_of_a_handler() {
    let folder = Folder::new();
    let pools = "\n[pool.x]\nextension = 'x.so'\n[pool.y]\ncgi = 'x.cgi'\n";
    for (handlers, expected) in [
        ("path = '*'", "2:1: [[site.handler]] has no `pool`"),
        ("pool = 'x'", "2:1: [[site.handler]] has no `path`"),
        ("path = '*'\npool = 'z'", "4:8: there is no pool \"z\""),
        (
            "path = 'x.dll'\npool = 'x'",
            "3:8: \"x.dll\" is not a handler path",
        ),
        (
            "path = '/a/*'\npool = 'x'\nmust_exist = true",
            "5:1: `must_exist` has a meaning only for a script map",
        ),
        (
            "path = '/a/*b*'\npool = 'x'",
            "3:8: \"/a/*b*\" is not a handler path",
        ),
        (
            "path = '*abc'\npool = 'x'",
            "3:8: \"*abc\" is not a handler path",
        ),
        (
            "path = '*.'\npool = 'x'",
            "3:8: \"*.\" is not a handler path",
        ),
        (
            "path = '*.a/b'\npool = 'x'",
            "3:8: \"*.a/b\" is not a handler path",
        ),
        (
            "path = '/a/'\npool = 'x'",
            "3:8: \"/a/\" is not a handler path",
        ),
        ("path = '/'\npool = 'x'", "3:8: \"/\" is not a handler path"),
        (
            "path = '/a/../b'\npool = 'x'",
            "3:8: \"/a/../b\" is not a handler path",
        ),
        (
            "path = '/a//b'\npool = 'x'",
            "3:8: \"/a//b\" is not a handler path",
        ),
        (
            "path = '/a.'\npool = 'x'",
            "3:8: \"/a.\" is not a handler path",
        ),
        (
            "path = '*'\npool = 'x'\nverbs = 'get'",
            "5:9: \"get\" is not a verb",
        ),
        (
            "path = '*'\npool = 'x'\nverbs = '*'",
            "5:9: \"*\" is not a verb",
        ),
        (
            "path = '*'\npool = 'x'\nverbs = ['GET,POST']",
            "5:10: \"GET,POST\" is not a verb",
        ),
        (
            "path = '*'\npool = 'x'\nverbs = []",
            "5:1: `verbs` is empty",
        ),
        (
            "path = '/a'\npool = 'x'\npath_info = false",
            "5:1: `path_info` has no meaning",
        ),
        (
            "path = '*'\npool = 'x'\npath_info = 'yes'",
            "5:13: this is a string, expected `true` or `false`",
        ),
        (
            "path = '/a'\npool = 'x'\n[[site.handler]]\npath = '/A/*'\npool = 'y'",
            "6:8: this handler is never reached",
        ),
        (
            "path = '*'\npool = 'x'\n[[site.handler]]\npath = '*.abc'\npool = 'y'",
            "6:8: this handler is never reached",
        ),
        (
            "path = '*.dll'\npool = 'x'\n[[site.handler]]\npath = '/a.dll/b'\npool = 'y'",
            "6:8: this handler is never reached",
        ),
    ] {
        let text = format!("[[site]]\n[[site.handler]]\n{handlers}{pools}");
        tells(&folder, &text, expected);
    }
}
