import Documents

/// The list of a checkpoint's files with their checksums, which is itself protected by one.
struct Manifest: Hashable, Sendable {
  static let name = "manifest.json"
  var files: [WrittenFile]

  /// The text, whose last line is the checksum of all before it.
  var bytes: [UInt8] {
    let body = "{\n  \"files\": [\n    \(files.map(\.text).joined(separator: ",\n    "))\n  ]"
    return Array((body + Self.mark + "\"\(Checksum.text(of: Array(body.utf8)))\"\n}\n").utf8)
  }

  private static let mark = ",\n  \"checksum\": "

  init(files: [WrittenFile]) { self.files = files }

  /// Reads a manifest and checks it against its own checksum.
  init(_ bytes: [UInt8], file: String) throws(CheckpointError) {
    func damaged(_ rule: String) -> CheckpointError { .init(.damaged, file: file, rule: rule) }
    let table = try JSONValue(bytes, of: file)
    // The last line has a fixed length: mark, quoted checksum, closing brace.
    let tail = Self.mark.utf8.count + 18 + 3
    guard bytes.count > tail, let checksum = table["checksum"]?.text else {
      throw damaged("has no checksum")
    }
    guard Checksum.text(of: Array(bytes.dropLast(tail))) == checksum else {
      throw damaged("does not match its checksum: it was altered")
    }
    guard let items = table["files"]?.items else { throw damaged("lists no files") }
    files = []
    for item in items {
      guard let file = WrittenFile(item) else {
        throw damaged("lists a file that is not described")
      }
      files.append(file)
    }
  }
}

extension WrittenFile {
  /// One entry of a list of files, as JSON on one line.
  var text: String {
    let sums = tensors.map { "\(JSONValue.quoted($0.name)): \"\($0.checksum)\"" }
    return
      "{\"name\": \(JSONValue.quoted(name)), \"bytes\": \(bytes), \"checksum\": \"\(checksum)\", "
      + "\"tensors\": {\(sums.joined(separator: ", "))}}"
  }

  /// Reads an entry; nil if it is not one, or names a file outside of its folder.
  init?(_ value: JSONValue) {
    guard let name = value["name"]?.text, isPlainName(name),
      let bytes = value["bytes"]?.number, bytes >= 0,
      let checksum = value["checksum"]?.text, let entries = value["tensors"]?.entries
    else { return nil }
    var tensors: [Tensor] = []
    for entry in entries {
      guard let sum = entry.value.text else { return nil }
      tensors.append(Tensor(name: entry.key, checksum: sum))
    }
    self.init(name: name, bytes: bytes, checksum: checksum, tensors: tensors)
  }
}

extension WrittenFile {
  /// Reads every byte of the file in `folder` and compares it with what was written.
  ///
  /// - Throws: `CheckpointError` with the file, and the tensor where it lies in one.
  func verify(in folder: String) throws(CheckpointError) {
    let path = "\(folder)/\(name)"
    let file = try InputFile(path: path)
    func altered(_ tensor: String? = nil) -> CheckpointError {
      .init(
        .damaged, file: path, tensor: tensor, rule: "does not match its checksum: it was altered")
    }
    if tensors.isEmpty {
      try verifySize(file)
      guard try file.checksum(of: 0..<file.count) == checksum else { throw altered() }
      return
    }
    let stored = try SafetensorsFile(path: path)
    try verifySize(file)
    guard try file.checksum(of: 0..<stored.headerCount) == checksum else { throw altered() }
    for tensor in tensors {
      guard let place = stored.tensor(named: tensor.name) else {
        throw CheckpointError(.damaged, file: path, tensor: tensor.name, rule: "is missing")
      }
      guard try file.checksum(of: place.bytes) == tensor.checksum else {
        throw altered(tensor.name)
      }
    }
  }

  /// Compares the length only, which costs nothing.
  func verifySize(_ file: InputFile) throws(CheckpointError) {
    guard file.count == bytes else {
      throw CheckpointError(
        .damaged, file: file.path,
        rule: "\(file.count < bytes ? "is cut short" : "is too long"): it has \(file.count) bytes, "
          + "and \(bytes) were written")
    }
  }
}
