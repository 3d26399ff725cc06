//! fastcgi-protocol
