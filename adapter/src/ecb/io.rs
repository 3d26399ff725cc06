//! What asynchronous operations need of the extension: its completion function, and memory and files that it leaves in
//! place until that function is called (ISAPI.md §4.3).

use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::{Arc, PoisonError};

use isapi_abi::ecb::{EXTENSION_CONTROL_BLOCK, PFN_HSE_IO_COMPLETION};
use isapi_abi::io::HSE_IO_SEND_HEADERS;
use isapi_abi::support::{
    HSE_RESPONSE_VECTOR, HSE_TF_INFO, HSE_VECTOR_ELEMENT, HSE_VECTOR_ELEMENT_TYPE_FILE_HANDLE,
    HSE_VECTOR_ELEMENT_TYPE_MEMORY_BUFFER,
};

use super::arguments::{counted, text};
use super::{Arguments, Entry, INVALID, end};
use crate::life::Event;
use crate::os::ForeignFile;
use crate::response::{Refused, Response};
use crate::session::{Complete, Piece, ReadAt, Sending, Win32, Work};

/// A completion function and the context that it is called with.
#[derive(Clone, Copy)]
pub struct Completion {
    function: unsafe extern "system" fn(*mut EXTENSION_CONTROL_BLOCK, *mut c_void, u32, u32),
    context: *mut c_void,
}

// SAFETY: the extension expects its function on any thread, with the context untouched (ISAPI.md §4.3).
unsafe impl Send for Completion {}

impl Completion {
    /// # Safety
    /// `function` is NULL or such a function.
    unsafe fn new(function: PFN_HSE_IO_COMPLETION, context: *mut c_void) -> Option<Self> {
        function.map(|function| Self { function, context })
    }

    /// # Safety
    /// `ecb` is valid until the function returns.
    unsafe fn call(self, ecb: *mut EXTENSION_CONTROL_BLOCK, bytes: u32, error: u32) {
        // SAFETY: by the contracts of this and of `new`. A function that is none crashes this process alone.
        unsafe { (self.function)(ecb, self.context, bytes, error) };
    }
}

impl Entry {
    /// Registers a completion function, or none; the last one counts (code 1005).
    pub fn set_completion(&self, completion: Option<Completion>) {
        *self
            .completion
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = completion;
    }

    /// The registered completion function.
    ///
    /// # Errors
    /// 87 when there is none.
    pub fn completion(&self) -> Result<Completion, Win32> {
        let completion = self.completion.lock();
        completion
            .unwrap_or_else(PoisonError::into_inner)
            .ok_or(INVALID)
    }

    /// Starts an operation that `completion` learns the end of; `head` may begin the answer before it.
    ///
    /// # Errors
    /// Those of [`crate::session::Session::start`].
    pub fn start(
        self: &Arc<Self>,
        completion: Completion,
        head: impl FnOnce(&mut Response, &mut Vec<u8>) -> Result<(), Refused>,
        work: Work,
    ) -> Result<(), Win32> {
        self.session.start(head, work, self.complete(completion))
    }

    /// What calls a completion function when its operation is over.
    pub fn complete(self: &Arc<Self>, completion: Completion) -> Complete {
        let entry = Arc::clone(self);
        Box::new(move |bytes, error| {
            // SAFETY: the entry, and so its block, lives until this closure has ended.
            let call = || unsafe { completion.call(entry.block.ecb(), bytes, error) };
            entry.complete_with(bytes, error, call);
            end(&entry, Event::Completed);
        })
    }

    /// WriteClient with `HSE_IO_ASYNC` (ISAPI.md §3.2).
    pub(super) fn write_asynchronously(self: &Arc<Self>, bytes: Memory) -> Result<(), Win32> {
        let sending = Sending::new(vec![Piece::Memory(Box::new(bytes))], 0, None);
        self.start(self.completion()?, |_, _| Ok(()), Work::Send(sending))
    }
}

/// Bytes of the extension that stay in place until a completion function is called.
pub(super) struct Memory {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the extension leaves the bytes to us by contract.
unsafe impl Send for Memory {}

impl Memory {
    /// `length` bytes. `None` for NULL with a length, and for lengths that cannot be.
    ///
    /// # Safety
    /// `start` is NULL or there are so many bytes, valid and unchanged as long as this lives; writable if
    /// [`AsMut::as_mut`] is called.
    pub(super) unsafe fn new(start: *mut u8, length: usize) -> Option<Self> {
        let start = match length {
            0 => NonNull::dangling(),
            _ => NonNull::new(start)?,
        };
        isize::try_from(length).ok()?;
        Some(Self { start, length })
    }
}

impl AsRef<[u8]> for Memory {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: by the contract of `new`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl AsMut<[u8]> for Memory {
    fn as_mut(&mut self) -> &mut [u8] {
        // SAFETY: by the contract of `new`.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

impl ReadAt for ForeignFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Win32> {
        ForeignFile::read_at(self, offset, buffer).map_err(Win32)
    }
}

/// HSE_TF_INFO, read (ISAPI.md §4.2, code 1006).
pub struct TransmitFile<'a> {
    /// Its own completion function.
    pub completion: Option<Completion>,
    /// Set of `HSE_IO_*`.
    pub flags: u32,
    /// Status and header text, with `HSE_IO_SEND_HEADERS` only.
    pub headers: Option<(&'a [u8], &'a [u8])>,
    /// Bytes before the file, without `HSE_IO_SEND_HEADERS` only.
    pub head: Piece,
    /// The file, if there is one.
    pub file: Option<ForeignFile>,
    /// Where in the file to begin.
    pub offset: u64,
    /// Bytes of the file; 0: all from there.
    pub length: u64,
    /// Bytes behind the file.
    pub tail: Piece,
}

/// HSE_RESPONSE_VECTOR, read (ISAPI.md §4.2, code 1037).
pub struct Vector<'a> {
    /// Set of `HSE_IO_*`.
    pub flags: u32,
    /// Status string.
    pub status: Option<&'a [u8]>,
    /// Header text.
    pub headers: Option<&'a [u8]>,
    /// What is to be sent.
    pub elements: Vec<Element>,
}

/// HSE_VECTOR_ELEMENT, read.
pub enum Element {
    /// Bytes in memory.
    Memory(Piece),
    /// A part of a file.
    File {
        /// The file.
        file: ForeignFile,
        /// Where in it to begin.
        offset: u64,
        /// How many bytes; 0: all from there.
        length: u64,
    },
}

impl Arguments {
    /// B as a completion function and T as its context.
    pub fn completion(&self) -> Option<Completion> {
        // SAFETY: a pointer to a function, or NULL; whether it is one shows when it is called.
        unsafe {
            let function = std::mem::transmute::<*mut c_void, PFN_HSE_IO_COMPLETION>(self.buffer);
            Completion::new(function, self.data_type.cast())
        }
    }

    /// The DWORD at T.
    pub fn dword_in_data_type(&self) -> Option<u32> {
        // SAFETY: by the contract of `new`; extensions may pass unaligned pointers.
        (!self.data_type.is_null()).then(|| unsafe { self.data_type.read_unaligned() })
    }

    /// B as room for as many bytes as S says, until the operation is over.
    pub fn room(&self) -> Option<Box<dyn AsMut<[u8]> + Send>> {
        // SAFETY: by the contract of `new`.
        let room = unsafe { Memory::new(self.buffer.cast(), self.size()? as usize) }?;
        Some(Box::new(room))
    }

    /// B as HSE_TF_INFO. `None`: a pointer that is needed is NULL.
    pub fn transmit_file(&self) -> Option<TransmitFile<'_>> {
        if self.buffer.is_null() {
            return None;
        }
        // SAFETY: by the contract of `new`, B is such a structure, and what it points to is valid until the operation is
        // over. The status is looked at only where it counts: it is often not initialised.
        unsafe {
            let info = self.buffer.cast::<HSE_TF_INFO>().read_unaligned();
            let with_headers = info.dwFlags & HSE_IO_SEND_HEADERS != 0;
            let head = info.pHead.cast::<u8>();
            let headers = with_headers.then(|| {
                let status = text(info.pszStatusCode).unwrap_or_default();
                (status, counted(head, info.HeadLength))
            });
            let length = if with_headers { 0 } else { info.HeadLength };
            Some(TransmitFile {
                completion: Completion::new(info.pfnHseIO, info.pContext),
                flags: info.dwFlags,
                headers,
                head: memory(head, length as usize)?,
                file: (!info.hFile.is_null()).then(|| ForeignFile::new(info.hFile)),
                offset: u64::from(info.Offset),
                length: u64::from(info.BytesToWrite),
                tail: memory(info.pTail.cast(), info.TailLength as usize)?,
            })
        }
    }

    /// B as HSE_RESPONSE_VECTOR. `None`: a pointer that is needed is NULL, or an element is none.
    pub fn vector(&self) -> Option<Vector<'_>> {
        if self.buffer.is_null() {
            return None;
        }
        // SAFETY: by the contract of `new`, B is such a structure, and what it points to is valid until the operation is
        // over.
        unsafe {
            let vector = self.buffer.cast::<HSE_RESPONSE_VECTOR>().read_unaligned();
            if vector.nElementCount > 0 && vector.lpElementArray.is_null() {
                return None;
            }
            let elements = (0..vector.nElementCount as usize)
                .map(|index| element(&vector.lpElementArray.add(index).read_unaligned()))
                .collect::<Option<_>>()?;
            Some(Vector {
                flags: vector.dwFlags,
                status: text(vector.pszStatus),
                headers: text(vector.pszHeaders),
                elements,
            })
        }
    }
}

/// # Safety
/// What the element points to is valid until its operation is over.
unsafe fn element(element: &HSE_VECTOR_ELEMENT) -> Option<Element> {
    match element.ElementType {
        HSE_VECTOR_ELEMENT_TYPE_MEMORY_BUFFER => {
            let offset = usize::try_from(element.cbOffset).ok()?;
            let length = usize::try_from(element.cbSize).ok()?;
            if element.pvContext.is_null() || length == 0 {
                return None;
            }
            let start = element.pvContext.cast::<u8>().wrapping_add(offset);
            // SAFETY: by the contract above.
            unsafe { memory(start, length) }.map(Element::Memory)
        }
        HSE_VECTOR_ELEMENT_TYPE_FILE_HANDLE => Some(Element::File {
            // SAFETY: by the contract above.
            file: unsafe { ForeignFile::new(element.pvContext) },
            offset: element.cbOffset,
            length: element.cbSize,
        }),
        _ => None,
    }
}

/// # Safety
/// That of [`Memory::new`].
unsafe fn memory(start: *mut u8, length: usize) -> Option<Piece> {
    // SAFETY: by the contract above.
    let memory = unsafe { Memory::new(start, length) }?;
    Some(Piece::Memory(Box::new(memory)))
}
