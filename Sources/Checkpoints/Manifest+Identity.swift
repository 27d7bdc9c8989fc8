import Documents

extension Manifest {
  /// What tells the weights from others: a checksum of the names and checksums of all their tensors.
  ///
  /// The same whatever plan wrote them, into however many files; moments and texts have no part in it.
  var weightsIdentity: String {
    let tensors = files.filter { !$0.name.hasPrefix("optimizer-") }.flatMap(\.tensors)
    var sum = Checksum()
    for line in tensors.map({ "\($0.name) \($0.checksum)\n" }).sorted() {
      sum.add(Array(line.utf8))
    }
    return sum.text
  }
}

extension CheckpointReader {
  /// What tells the weights from others; nil in a checkpoint of another program, which has no checksums.
  public var weightsIdentity: String? { manifest?.weightsIdentity }

  /// As `weightsIdentity` of the checkpoint in a folder, of which its list of files alone is read; nil also
  /// where none is there that can be read.
  public static func weightsIdentity(at path: String) -> String? {
    let file = "\(path)/\(Manifest.name)"
    guard let opened = try? InputFile(path: file),
      let manifest = try? Manifest(opened.allBytes(limit: 1 << 30), file: file)
    else { return nil }
    return manifest.weightsIdentity
  }
}
