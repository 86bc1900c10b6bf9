# Parsed by nix, not built (see ../README.md). From a checkout: nix build "path:.?dir=packaging/recipes/nix"
{
  description = "systemd containers from copy-on-write clones of this system";

  inputs.nixpkgs.url = "nixpkgs";

  outputs = { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" ];
      each = nixpkgs.lib.genAttrs systems;
    in
    {
      packages = each (system:
        let pkgs = nixpkgs.legacyPackages.${system}; in
        {
          default = pkgs.pkgsStatic.rustPlatform.buildRustPackage {
            pname = "sdme";
            version = "0.1.0";
            src = ../../..;
            cargoLock.lockFile = ../../../Cargo.lock;
            # The integration tests make mounts and namespaces, which a build may not.
            cargoTestFlags = [ "--lib" ];
            # A store path is read-only and belongs to root: `sdme start` brings the unit along by itself.
            postInstall = ''
              patchShebangs packaging
              packaging/tree - "$out" ""
              mkdir -p "$out/share/sdme"
              mv "$out/etc/sdme.conf" "$out/share/sdme/sdme.conf.example"
              rmdir "$out/etc"
              sed -i "s|/bin/sdme|$out/bin/sdme|" "$out/lib/systemd/system/sdme@.service"
            '';
            meta = {
              description = "systemd containers from copy-on-write clones of this system";
              license = with pkgs.lib.licenses; [ mit asl20 ];
              platforms = systems;
              mainProgram = "sdme";
            };
          };
        });
    };
}
