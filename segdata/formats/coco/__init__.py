"""What COCO's two formats share: the JSON document, its images, categories and free keys."""
