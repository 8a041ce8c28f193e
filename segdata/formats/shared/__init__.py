"""What several families of formats share: images, masks, pairing, taxonomies, counted losses."""
