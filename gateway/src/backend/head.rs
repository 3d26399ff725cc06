//! The head of a CGI answer (RFC 3875 §6), as CGI programs, FastCGI applications and workers send it.
