internal import CMPI
import MessagePassing

/// Turns a return code of MPI into an error with MPI's own text.
func check(_ code: Int32, _ call: StaticString, rank: Int) throws(MPIError) {
  guard code != MPI_SUCCESS else { return }
  throw .failed(call: "\(call)", rank: rank, text: errorText(code))
}

/// MPI's own words for an error code.
func errorText(_ code: Int32) -> String {
  withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(MPI_MAX_ERROR_STRING) + 1) { text in
    text.initialize(repeating: 0)
    var length: Int32 = 0
    guard let start = text.baseAddress, MPI_Error_string(code, start, &length) == MPI_SUCCESS
    else { return "error \(code)" }
    return String(cString: start)
  }
}

/// A count as MPI takes it: 32 bits.
func count32(_ count: Int, _ call: StaticString, rank: Int) throws(MPIError) -> Int32 {
  guard let count = Int32(exactly: count) else {
    throw .failed(
      call: "\(call)", rank: rank, text: "\(count) is more than MPI counts, \(Int32.max) at most")
  }
  return count
}

extension ElementKind {
  var datatype: MPI_Datatype? {
    switch self {
    case .float: cmpi_float()
    case .double: cmpi_double()
    case .int64: cmpi_int64()
    }
  }
}

extension Reduction {
  var operation: MPI_Op? {
    switch self {
    case .sum: cmpi_sum()
    case .maximum: cmpi_max()
    case .minimum: cmpi_min()
    }
  }
}
