#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use tlog_tiles::tile::Tile;

use super::*;

#[test]
fn widths_are_those_of_the_c2sp_example() {
    let size = TreeSize(70_000);
    let width = |level, index| TileId::new(level, index).unwrap().width_in(size).map(TileWidth::hashes);
    assert_eq!(width(0, 272), Some(256));
    assert_eq!(width(0, 273), Some(112));
    assert_eq!(width(0, 274), None);
    assert_eq!((width(1, 0), width(1, 1), width(1, 2)), (Some(256), Some(17), None));
    assert_eq!((width(2, 0), width(2, 1), width(3, 0), width(63, 0)), (Some(1), None, None, None));
    assert_eq!(TileId::new(1, 0).unwrap().width_in(TreeSize(256)), TileWidth::new(1));
    assert_eq!(TileId::new(7, 0).unwrap().width_in(TreeSize(u64::MAX)), TileWidth::new(255));
    assert_eq!(TileId::new(0, u64::MAX).unwrap().width_in(TreeSize(u64::MAX)), None);
    assert_eq!(TileId::new(64, 0), None);
}

#[test]
fn paths_are_those_of_the_c2sp_text() {
    for (text, level, index, width) in [
        ("tile/0/x001/x234/067", 0, 1_234_067, 256),
        ("tile/63/000.p/1", 63, 0, 1),
        ("tile/3/x018/x446/x744/x073/x709/x551/615.p/255", 3, u64::MAX, 255),
    ] {
        let resource: TileResource = text.parse().unwrap();
        let tile = TileId::new(level, index).unwrap();
        assert_eq!(resource, TileResource::Hashes { tile, width: TileWidth::new(width).unwrap() });
        assert_eq!(resource.to_string(), text);
    }
    let entries: TileResource = "tile/entries/x001/000.p/7".parse().unwrap();
    assert_eq!(entries, TileResource::Entries { index: 1_000, width: TileWidth::new(7).unwrap() });
}

#[test]
fn other_spellings_are_refused() {
    for bad in [
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "/tile/0/000",
        "tile/00/000",
        "tile/64/000",
        "tile/256/000",
        "tile/-1/000",
        "tile/+1/000",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/0/x001",
        "tile/0/001/001",
        "tile/0/x001/x001",
        "tile/0/x001//001",
        "tile/0/000/",
        "tile/0/000.p",
        "tile/0/000.p/",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/1/",
        "tile/0/000.p/1.p/1",
        "tile/0/０００",
        "tile/0/x018/x446/x744/x073/x709/x551/616",
        "tile/0/x001/x018/x446/x744/x073/x709/x551/615",
        "tile/entry/000",
        "tile/data/000",
    ] {
        assert!(bad.parse::<TileResource>().is_err(), "{bad}");
    }
}

#[test]
fn keys_sort_as_tiles() {
    let tiles = [(0, 0), (0, 1), (0, 256), (0, u64::MAX), (1, 0), (7, 3)].map(|(l, i)| TileId::new(l, i).unwrap());
    assert!(tiles.is_sorted() && tiles.map(TileId::to_key).is_sorted());
}

#[test]
fn entry_bundles_are_strict() {
    let mut bundle = Vec::new();
    assert_eq!(parse_entry_bundle(&bundle), Err(EntryBundleError::Empty));
    let long = vec![b'a'; 65_536];
    assert_eq!(push_bundled_entry(&mut bundle, &long), Err(EntryBundleError::TooLong { found: 65_536 }));
    assert!(bundle.is_empty());
    push_bundled_entry(&mut bundle, &long[1..]).unwrap();
    for _ in 1..256 {
        push_bundled_entry(&mut bundle, b"b").unwrap();
    }
    assert_eq!(parse_entry_bundle(&bundle).unwrap().len(), 256);
    assert_eq!(parse_entry_bundle(&bundle[..bundle.len() - 1]), Err(EntryBundleError::Cut { entry: 255 }));
    assert_eq!(parse_entry_bundle(&bundle[..1]), Err(EntryBundleError::Cut { entry: 0 }));
    push_bundled_entry(&mut bundle, b"").unwrap();
    assert_eq!(parse_entry_bundle(&bundle), Err(EntryBundleError::TooMany));
}

#[test]
fn tile_bytes_have_whole_hashes() {
    for (bytes, good) in [(0, false), (31, false), (32, true), (33, false), (8_192, true), (8_224, false)] {
        let data: Vec<u8> = (0..bytes).map(|i: usize| u8::try_from(i % 251).unwrap()).collect();
        let tile = parse_tile(&data);
        assert_eq!(tile.is_ok(), good, "{bytes}");
        if let Ok(hashes) = tile {
            assert_eq!(tile_bytes(&hashes), data);
        }
    }
}

proptest! {
    #[test]
    fn paths_round_trip(level in 0..=MAX_LEVEL, index: u64, small in 0u64..2_000_000, width in 1u16..=256) {
        let width = TileWidth::new(width).unwrap();
        for index in [index, small] {
            let hashes = TileResource::Hashes { tile: TileId::new(level, index).unwrap(), width };
            for resource in [hashes, TileResource::Entries { index, width }] {
                prop_assert_eq!(resource.to_string().parse(), Ok(resource));
            }
        }
        // tlog_tiles writes the height too, as Go's sumdb does.
        let resource = TileResource::Hashes { tile: TileId::new(level, small).unwrap(), width };
        let other = Tile::new(8, level, small, u32::from(width.hashes()), false);
        prop_assert_eq!(resource.to_string().replacen("tile/", "tile/8/", 1), other.path());
    }

    #[test]
    fn what_parses_is_canonical(text in "tile/([0-9]{1,3}|entries)/(x[0-9]{3}/){0,3}[0-9]{1,3}(\\.p/[0-9]{1,3})?") {
        if let Ok(resource) = text.parse::<TileResource>() {
            prop_assert_eq!(resource.to_string(), text);
        }
    }

    #[test]
    fn parsers_never_panic(text in any::<String>(), bytes in any::<Vec<u8>>()) {
        let _ = text.parse::<TileResource>();
        let _ = format!("tile/{text}").parse::<TileResource>();
        let _ = parse_tile(&bytes);
        if let Ok(entries) = parse_entry_bundle(&bytes) {
            let mut again = Vec::new();
            for entry in entries {
                push_bundled_entry(&mut again, entry).unwrap();
            }
            prop_assert_eq!(again, bytes);
        }
    }
}
